#include "proxy/sources/kubernetes/state_file.hpp"

#include "proxy/sources/kubernetes/whole_file.hpp"
#include "proxy/unique_fd.hpp"

#include <xxhash.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

namespace proxy::sources::kubernetes {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "viaduct\n";
constexpr std::uint32_t kLayout = 1;
constexpr std::size_t kHeader = 8 + 4 + 4 + 8 + 8;
constexpr std::size_t kLargest = std::size_t{1} << 30;  // bytes
constexpr std::size_t kBuffer = std::size_t{256} << 10;

template <class Number>
void put(std::string& bytes, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i) {
    bytes += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i) & 0xff);
  }
}

// Bounds-checked; remembers that it ran over the end.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_{bytes} {}

  template <class Number>
  Number number() {
    const auto bytes = take(sizeof(Number));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    return static_cast<Number>(value);
  }
  std::string_view text() { return take(number<std::uint32_t>()); }
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  [[nodiscard]] bool is_good() const { return good_; }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

struct FreeHash {
  void operator()(XXH64_state_t* state) const noexcept { XXH64_freeState(state); }
};

// Writes a file from front to back and remembers the first error.
class Writer {
 public:
  explicit Writer(int fd) : fd_{fd}, hash_{XXH64_createState()} {
    XXH64_reset(hash_.get(), 0);
    buffer_.reserve(kBuffer);
  }
  void add(std::string_view bytes) {
    XXH64_update(hash_.get(), bytes.data(), bytes.size());
    size_ += bytes.size();
    buffer_ += bytes;
    if (buffer_.size() >= kBuffer) flush();
  }
  void add_text(std::string_view text) {
    std::string length;
    put(length, static_cast<std::uint32_t>(text.size()));
    add(length);
    add(text);
  }
  void flush() {
    write_all(buffer_);
    buffer_.clear();
  }
  void write_all(std::string_view bytes) {
    while (!bytes.empty() && error_ == 0) {
      const auto written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) {
        error_ = written < 0 ? errno : ENOSPC;
        return;
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t hash() const { return XXH64_digest(hash_.get()); }

 private:
  int fd_;
  std::unique_ptr<XXH64_state_t, FreeHash> hash_;
  std::string buffer_;
  std::uint64_t size_ = 0;
  int error_ = 0;
};

std::string header(std::uint64_t size, std::uint64_t hash) {
  std::string bytes{kMagic};
  put(bytes, kLayout);
  put(bytes, records::kBinaryVersion);
  put(bytes, size);
  put(bytes, hash);
  return bytes;
}

// The file's content, its header last: what is written only half is not taken for a whole.
int write_content(int fd, const StateOrigin& origin, const std::vector<RecordBytes>& records) {
  Writer writer{fd};
  writer.write_all(std::string(kHeader, '\0'));
  std::string front;
  put(front, static_cast<std::uint32_t>(origin.servers.size()));
  writer.add(front);
  for (const auto& server : origin.servers) writer.add_text(server);
  std::string time;
  put(time, static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          origin.saved.time_since_epoch())
                                          .count()));
  writer.add(time);
  for (const auto& record : records) writer.add_text(*record);
  writer.flush();
  if (writer.error() != 0) return writer.error();
  const auto front_page = header(writer.size(), writer.hash());
  const auto written = ::pwrite(fd, front_page.data(), front_page.size(), 0);
  if (written != static_cast<ssize_t>(front_page.size())) return written < 0 ? errno : ENOSPC;
  return ::fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

Result<void> write_state(const fs::path& path, const StateOrigin& origin,
                         const std::vector<RecordBytes>& records) {
  const auto what = "write " + path.string();
  const auto folder = path.parent_path().empty() ? fs::path{"."} : path.parent_path();
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) return Error{failed, what};

  const auto draft = path.string() + ".new";
  UniqueFd file{::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) return system_error(errno, what);
  int error = write_content(file.get(), origin, records);
  if (error == 0 && ::rename(draft.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(draft.c_str());
    return system_error(error, what);
  }
  const UniqueFd directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!directory || ::fsync(directory.get()) != 0) return system_error(errno, what);
  return {};
}

Result<StoredState> parse_state(std::string_view bytes, records::BinaryReader& reader) {
  Cursor front{bytes};
  if (front.take(kMagic.size()) != kMagic) return invalid("not a state file");
  const auto layout = front.number<std::uint32_t>();
  const auto version = front.number<std::uint32_t>();
  const auto size = front.number<std::uint64_t>();
  const auto hash = front.number<std::uint64_t>();
  if (!front.is_good()) return invalid("ends too early");
  if (layout != kLayout || version != records::kBinaryVersion) {
    return invalid("is of another version");
  }
  if (size != front.rest().size()) return invalid("is not whole");
  if (XXH64(front.rest().data(), front.rest().size(), 0) != hash) {
    return invalid("its checksum is wrong");
  }

  StoredState state;
  Cursor cursor{front.rest()};
  const auto servers = cursor.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < servers && cursor.is_good(); ++i) {
    state.origin.servers.emplace_back(cursor.text());
  }
  state.origin.saved = std::chrono::system_clock::time_point{
      std::chrono::milliseconds{cursor.number<std::int64_t>()}};
  while (cursor.is_good() && !cursor.rest().empty()) {
    auto record = reader.read(cursor.text());
    if (!record) return record.error();
    state.records.push_back(*std::move(record));
  }
  if (!cursor.is_good()) return invalid("ends too early");
  return state;
}

Result<StoredState> read_state(const fs::path& path, records::BinaryReader& reader) {
  const auto bytes = whole_file(path.string(), kLargest);
  if (!bytes) return bytes.error();
  auto state = parse_state(*bytes, reader);
  if (!state) return within("read " + path.string(), state.error());
  return state;
}

}  // namespace proxy::sources::kubernetes
