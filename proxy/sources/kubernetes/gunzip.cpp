#include "proxy/sources/kubernetes/gunzip.hpp"

#include <zlib.h>

#include <array>
#include <new>
#include <string>

namespace proxy::sources::kubernetes {

struct Gunzip::Impl {
  z_stream stream{};
  bool ended = false;
  std::array<char, 65536> out{};

  Impl() {
    constexpr int kGzip = 16 + MAX_WBITS;  // zlib.h: a gzip header, the largest window
    if (inflateInit2(&stream, kGzip) != Z_OK) throw std::bad_alloc{};
  }
  ~Impl() { inflateEnd(&stream); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
};

Gunzip::Gunzip() : impl_{std::make_unique<Impl>()} {}
Gunzip::~Gunzip() = default;
Gunzip::Gunzip(Gunzip&&) noexcept = default;
Gunzip& Gunzip::operator=(Gunzip&&) noexcept = default;

Result<void> Gunzip::feed(std::string_view bytes,
                          const std::function<Result<void>(std::string_view)>& receive) {
  auto& stream = impl_->stream;
  // zlib does not write to its input, its interface only says so with ZLIB_CONST.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  while (stream.avail_in != 0 || stream.avail_out == 0) {
    if (impl_->ended) {
      if (stream.avail_in == 0) break;
      // RFC 1952 §2.2: one gzip may follow another.
      if (inflateReset(&stream) != Z_OK) return invalid("gzip: cannot begin again");
      impl_->ended = false;
    }
    stream.next_out = reinterpret_cast<Bytef*>(impl_->out.data());
    stream.avail_out = static_cast<uInt>(impl_->out.size());
    const int outcome = inflate(&stream, Z_SYNC_FLUSH);
    if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) {
      return invalid(std::string{"gzip: "} + (stream.msg ? stream.msg : "cannot be undone"));
    }
    impl_->ended = outcome == Z_STREAM_END;
    const auto made = impl_->out.size() - stream.avail_out;
    if (made != 0) {
      if (const auto taken = receive({impl_->out.data(), made}); !taken) return taken.error();
    }
    if (outcome == Z_BUF_ERROR && made == 0) break;  // all there is for now
  }
  stream.avail_out = 1;  // not "full", for the next call
  return {};
}

}  // namespace proxy::sources::kubernetes
