#include "tests/fakes/api_server/gzip.hpp"

#include <zlib.h>

#include <array>

namespace fakes {

struct GzipStream::Impl {
  z_stream stream{};

  Impl() {
    deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  }
  ~Impl() { deflateEnd(&stream); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::string run(std::string_view text, int flush) {
    std::string out;
    std::array<char, 16384> piece;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(piece.data());
      stream.avail_out = piece.size();
      deflate(&stream, flush);
      out.append(piece.data(), piece.size() - stream.avail_out);
    } while (stream.avail_out == 0);
    return out;
  }
};

GzipStream::GzipStream() : impl_{std::make_unique<Impl>()} {}
GzipStream::~GzipStream() = default;
GzipStream::GzipStream(GzipStream&&) noexcept = default;
GzipStream& GzipStream::operator=(GzipStream&&) noexcept = default;

std::string GzipStream::add(std::string_view text) {
  return impl_->run(text, Z_SYNC_FLUSH);
}
std::string GzipStream::finish() {
  return impl_->run({}, Z_FINISH);
}

}  // namespace fakes
