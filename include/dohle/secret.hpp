#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

/// A password or a key. It has no formatter, compares and copies like a value, and its bytes are
/// overwritten when they are no longer needed. Default: not set.
///
/// Thread safety: a const Secret may be read from any thread; copies are independent.
class DOHLE_API Secret {
 public:
  Secret() = default;
  /// Copies the bytes; the caller's own are the caller's to overwrite.
  explicit Secret(std::string_view value);
  Secret(const Secret& other);
  Secret(Secret&& other) noexcept;
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  /// Whether it was given a value. An empty one counts.
  [[nodiscard]] bool is_set() const noexcept { return bytes_ != nullptr; }
  /// The bytes; empty if it is not set. Valid while the Secret lives and is not assigned to.
  [[nodiscard]] std::string_view reveal() const noexcept { return {bytes_.get(), size_}; }

  /// Whether both are set to the same bytes, or neither is set. The time depends on the lengths
  /// alone.
  friend DOHLE_API bool operator==(const Secret& one, const Secret& other) noexcept;

 private:
  void cleanse() noexcept;

  // On the heap at any length, so that a move leaves nothing behind.
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace v0
}  // namespace dohle
