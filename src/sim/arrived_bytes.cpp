#include "sim/arrived_bytes.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dohle::sim {

void ArrivedBytes::add(Slice bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  pieces_.push_back(std::move(bytes));
}

std::optional<std::int32_t> ArrivedBytes::peek_length() const {
  if (size_ < 4) return std::nullopt;
  std::uint32_t value = 0;
  int left = 4;
  for (const Slice& piece : pieces_) {
    for (std::size_t i = 0; i < piece.size() && left > 0; ++i, --left) {
      value = value << 8 | std::to_integer<std::uint32_t>(piece.data()[i]);
    }
    if (left == 0) break;
  }
  return static_cast<std::int32_t>(value);
}

Slice ArrivedBytes::take(std::size_t size) {
  if (size == 0) return {};
  size_ -= size;
  if (pieces_.front().size() >= size) {
    Slice& front = pieces_.front();
    Slice taken = front.sub(0, size);
    if (front.size() == size) {
      pieces_.pop_front();
    } else {
      front = front.sub(size);
    }
    return taken;
  }
  return Slice::made(size, [this](std::span<std::byte> to) {
    while (!to.empty()) {
      Slice& front = pieces_.front();
      const std::size_t part = std::min(front.size(), to.size());
      std::memcpy(to.data(), front.data(), part);
      to = to.subspan(part);
      if (front.size() == part) {
        pieces_.pop_front();
      } else {
        front = front.sub(part);
      }
    }
  });
}

void ArrivedBytes::clear() {
  pieces_.clear();
  size_ = 0;
}

}  // namespace dohle::sim
