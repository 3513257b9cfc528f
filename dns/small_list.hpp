// A fixed list that keeps a few elements in place: reading it costs no further cache line.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

namespace dns {

template <class T, std::size_t kInPlace>
class SmallList {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  SmallList() = default;
  explicit SmallList(std::span<const T> elements)
      : size_{static_cast<std::uint32_t>(elements.size())} {
    T* to = in_place_.data();
    if (elements.size() > kInPlace) {
      elsewhere_ = std::make_unique<T[]>(elements.size());
      to = elsewhere_.get();
    }
    std::copy(elements.begin(), elements.end(), to);
  }

  [[nodiscard]] std::span<const T> all() const {
    return {size_ > kInPlace ? elsewhere_.get() : in_place_.data(), size_};
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  friend bool operator==(const SmallList& a, const SmallList& b) {
    return std::ranges::equal(a.all(), b.all());
  }

 private:
  std::uint32_t size_ = 0;
  std::array<T, kInPlace> in_place_{};
  std::unique_ptr<T[]> elsewhere_;
};

}  // namespace dns
