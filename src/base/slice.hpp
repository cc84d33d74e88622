#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "dohle/record.hpp"

namespace dohle {

/// A block of bytes with a reference count in front of it. Made by Slice and Budget; the last
/// release returns it to its origin. Thread safety: the count is atomic; the writer of the bytes
/// must synchronize them.
class Buffer {
 public:
  using Release = void (*)(Buffer*) noexcept;

  Buffer(std::byte* data, std::size_t size, Release release, void* owner = nullptr)
      : data_(data), size_(size), release_(release), owner_(owner) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  /// One allocation for the count and `size` uninitialised bytes, on the heap.
  static Buffer* allocate(std::size_t size);

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// The owner, for the Release function.
  [[nodiscard]] void* owner() const { return owner_; }

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    // A sole owner, the usual case, skips the locked instruction.
    if (references_.load(std::memory_order_acquire) == 1 ||
        references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      release_(this);
    }
  }
  [[nodiscard]] bool is_shared() const noexcept {
    return references_.load(std::memory_order_acquire) > 1;
  }

 private:
  std::atomic<std::uint32_t> references_{1};
  std::byte* data_;
  std::size_t size_;
  Release release_;
  void* owner_;
};

/// Reference-counted bytes: a window on a Buffer. Copies share the bytes, `sub` narrows the window;
/// only `copy_of` copies bytes. A Slice without a buffer (`borrowed`) refers to bytes that outlive
/// it. Thread safety: different Slices of one Buffer may be used from different threads.
class Slice {
 public:
  Slice() = default;
  /// Adopts one reference to `buffer`.
  Slice(Buffer* adopted, const std::byte* data, std::size_t size)
      : buffer_(adopted), data_(data), size_(size) {}
  Slice(const Slice& other) noexcept
      : buffer_(other.buffer_), data_(other.data_), size_(other.size_) {
    if (buffer_ != nullptr) buffer_->retain();
  }
  Slice(Slice&& other) noexcept
      : buffer_(std::exchange(other.buffer_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Slice& operator=(Slice other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Slice() {
    if (buffer_ != nullptr) buffer_->release();
  }

  static Slice copy_of(Bytes bytes);
  static Slice copy_of(std::string_view text) { return copy_of(as_bytes(text)); }
  /// A view of bytes with static lifetime, or of bytes that outlive the Slice and its copies.
  static Slice borrowed(Bytes bytes) { return {nullptr, bytes.data(), bytes.size()}; }
  /// `size` new bytes, which `fill` writes through a std::span<std::byte>.
  template <class Fill>
  static Slice made(std::size_t size, Fill&& fill) {
    Buffer* buffer = Buffer::allocate(size);
    Slice slice{buffer, buffer->data(), size};
    fill(std::span<std::byte>{buffer->data(), size});
    return slice;
  }

  [[nodiscard]] const std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] Bytes bytes() const { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const { return as_text(bytes()); }
  /// Null for borrowed bytes.
  [[nodiscard]] Buffer* buffer() const { return buffer_; }

  /// `size` bytes from `offset` on. A range past the end is a bug.
  [[nodiscard]] Slice sub(std::size_t offset, std::size_t size) const {
    if (buffer_ != nullptr) buffer_->retain();
    return {buffer_, data_ + offset, size};
  }
  [[nodiscard]] Slice sub(std::size_t offset) const { return sub(offset, size_ - offset); }

 private:
  Buffer* buffer_ = nullptr;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dohle
