#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

/// A password or a key. It is a value that can be compared and copied, and it has no formatter. Its
/// bytes are overwritten when they are no longer needed. Default: not set.
///
/// Thread safety: a const Secret may be read from any thread; copies are independent.
class DOHLE_API Secret {
 public:
  Secret() = default;
  /// Copies the bytes. The caller has to overwrite its own bytes.
  explicit Secret(std::string_view value);
  Secret(const Secret& other);
  Secret(Secret&& other) noexcept;
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  /// True if it has a value. An empty value counts.
  [[nodiscard]] bool is_set() const noexcept { return bytes_ != nullptr; }
  /// The bytes. Empty if it is not set. Valid until the Secret is destroyed or assigned to.
  [[nodiscard]] std::string_view reveal() const noexcept { return {bytes_.get(), size_}; }

  /// True if both are set to the same bytes, or neither is set. The time of the comparison depends
  /// only on the lengths.
  friend DOHLE_API bool operator==(const Secret& one, const Secret& other) noexcept;

 private:
  void cleanse() noexcept;

  // Always on the heap, so that a move leaves no bytes behind.
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace v0
}  // namespace dohle
