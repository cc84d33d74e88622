#include "dohle/secret.hpp"

#include <string.h>  // explicit_bzero

#include <algorithm>
#include <utility>

namespace dohle {
inline namespace v0 {

Secret::Secret(std::string_view value)
    : bytes_(std::make_unique<char[]>(value.size())), size_(value.size()) {
  std::ranges::copy(value, bytes_.get());
}

Secret::Secret(const Secret& other) {
  if (other.is_set()) *this = Secret(other.reveal());
}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) *this = Secret(other);
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  cleanse();
  bytes_ = std::move(other.bytes_);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

Secret::~Secret() {
  cleanse();
}

void Secret::cleanse() noexcept {
  if (is_set()) ::explicit_bzero(bytes_.get(), size_);
}

bool operator==(const Secret& one, const Secret& other) noexcept {
  if (one.is_set() != other.is_set() || one.size_ != other.size_) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < one.size_; ++i) {
    difference |= static_cast<unsigned char>(one.bytes_[i] ^ other.bytes_[i]);
  }
  return difference == 0;
}

}  // namespace v0
}  // namespace dohle
