# `cmake --build --preset daemon --target package` makes a .deb: the program, its systemd unit, man page and completions.
include(GNUInstallDirs)
set(CMAKE_INSTALL_SYSCONFDIR /etc)

# What the program says of its own flags.
set(references)
foreach(form man:viaduct.8 bash:viaduct.bash zsh:_viaduct)
  string(REPLACE ":" ";" form ${form})
  list(GET form 0 name)
  list(GET form 1 file)
  add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/reference/${file}
                     COMMAND ${CMAKE_COMMAND} -E make_directory reference
                     COMMAND viaduct help ${name} > reference/${file}
                     DEPENDS viaduct WORKING_DIRECTORY ${PROJECT_BINARY_DIR} VERBATIM)
  list(APPEND references ${PROJECT_BINARY_DIR}/reference/${file})
endforeach()
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/reference/viaduct.8.gz
                   COMMAND gzip -9nkf reference/viaduct.8
                   DEPENDS ${PROJECT_BINARY_DIR}/reference/viaduct.8 WORKING_DIRECTORY ${PROJECT_BINARY_DIR} VERBATIM)
# Sanitised builds are never packaged, and need not run while they are being built.
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(with_all ALL)
endif()
add_custom_target(references ${with_all} DEPENDS ${references} ${PROJECT_BINARY_DIR}/reference/viaduct.8.gz)

install(TARGETS viaduct RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(FILES deploy/viaduct.service DESTINATION lib/systemd/system)
install(FILES ${PROJECT_BINARY_DIR}/reference/viaduct.8.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/man/man8)
install(FILES ${PROJECT_BINARY_DIR}/reference/viaduct.bash RENAME viaduct
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PROJECT_BINARY_DIR}/reference/_viaduct DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES README.md CHANGELOG.md SECURITY.md docs/operations.md docs/configuration.md deploy/kubernetes.yaml
              deploy/alerts.yaml deploy/grafana-dashboard.json
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/viaduct)
install(FILES deploy/debian/viaduct.env DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/viaduct)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME viaduct)
set(CPACK_PACKAGE_CONTACT "viaduct maintainers <viaduct@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Kubernetes service proxy with the cluster's DNS")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "iptables, conntrack")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/deploy/debian/conffiles ${PROJECT_SOURCE_DIR}/deploy/debian/postinst
    ${PROJECT_SOURCE_DIR}/deploy/debian/prerm ${PROJECT_SOURCE_DIR}/deploy/debian/postrm)
include(CPack)
