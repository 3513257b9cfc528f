# One interface target carries what every target of ours is compiled with.
add_library(viaduct_compile INTERFACE)
target_include_directories(viaduct_compile INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(viaduct_compile INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
# One compiled Asio would need a separate translation unit; header-only with a precompiled header
# measured faster to build here. No deprecated API, no implicit std::aligned allocation surprises.
target_compile_definitions(viaduct_compile INTERFACE BOOST_ASIO_NO_DEPRECATED)

# GCC 12 warns about initialised memory inside its own coroutine frames and std::string.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(viaduct_compile INTERFACE -Wno-maybe-uninitialized -Wno-restrict
                                                   -Wno-dangling-pointer)
endif()

# A static library of the project: its sources, and the libraries it stands on.
function(viaduct_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC viaduct_compile ${arg_LINK})
endfunction()

# A GoogleTest binary; `LABELS root` runs it only with root and in network namespaces of its own.
function(viaduct_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE viaduct_compile ${arg_LINK} GTest::gmock GTest::gtest_main)
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${VIADUCT_TEST_PREFIX}"
                       PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# A GoogleTest binary whose tests need a kernel with IPVS: each runs in the virtual machine of
# script/vm, or here where the kernel has it (tests/vm). The sanitised build only builds it: emulated
# as well it would take too long, and its unit tests cover the same code.
function(viaduct_vm_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE viaduct_compile ${arg_LINK} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES CROSSCOMPILING_EMULATOR
                                           ${PROJECT_SOURCE_DIR}/tests/vm/emulate)
  if(VIADUCT_TEST_PREFIX)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 180)
  endif()
  gtest_discover_tests(
    ${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS root-vm FIXTURES_REQUIRED vm TIMEOUT ${arg_TIMEOUT})
endfunction()

# A libFuzzer target, built by the preset `asan`. As a test it reads its seeds, corpus/NAME without
# "_fuzz", and a number of others that it makes of them.
function(viaduct_fuzz name)
  if(VIADUCT_FUZZ)
    cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE viaduct_compile ${arg_LINK})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    string(REGEX REPLACE "_fuzz$" "" seeds ${name})
    set(found ${CMAKE_CURRENT_BINARY_DIR}/found/${seeds})
    file(MAKE_DIRECTORY ${found})
    add_test(NAME ${VIADUCT_TEST_PREFIX}Fuzz.${seeds}
             COMMAND ${name} -seed=1 -runs=20000 -max_total_time=60 -rss_limit_mb=4096 ${found}
                     ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${seeds})
    set_tests_properties(${VIADUCT_TEST_PREFIX}Fuzz.${seeds} PROPERTIES LABELS fuzz TIMEOUT 300)
  endif()
endfunction()
