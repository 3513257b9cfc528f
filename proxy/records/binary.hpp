// Records as bytes and back: what is kept of a record where the record itself would be too large,
// and what is written to disk.
//
// Pure. A compact form of our own: numbers are LEB128 (DWARF 4 §7.6), texts and lists have their
// length before them, addresses are their bytes in network order. Equal records give equal bytes.
// kBinaryVersion changes whenever the form does; bytes of another version can't be read.
#pragma once

#include "proxy/records/objects.hpp"
#include "proxy/result.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace proxy::records {

inline constexpr std::uint32_t kBinaryVersion = 1;

[[nodiscard]] std::string to_bytes(const Record& record);

// Shares the names of nodes between the records that it reads, as the decoder does.
class BinaryReader {
 public:
  BinaryReader();
  ~BinaryReader();
  BinaryReader(BinaryReader&&) noexcept;
  BinaryReader& operator=(BinaryReader&&) noexcept;

  // Fails for bytes that are no record, whatever they are.
  [[nodiscard]] Result<Record> read(std::string_view bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace proxy::records
