#include "wire/codecs/buffers.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "wire/codecs/codecs.hpp"

namespace dohle::wire::codecs {

namespace {

constexpr std::size_t piece_bytes = 64 * 1024;

}  // namespace

Slice trimmed(Buffer* buffer, std::size_t used) {
  Slice slice(buffer, buffer->data(), used);
  return used < buffer->size() / 2 ? Slice::copy_of(slice.bytes()) : slice;
}

Output::Output(Compression codec, const DecompressionLimits& limits, std::size_t first_bytes)
    : codec_(codec), limit_(limits.max_bytes) {
  grow_to(std::min(limit_, first_bytes));
}

Output::Output(Compression codec, std::size_t input_bytes, const DecompressionLimits& limits)
    : Output(codec, limits, std::max<std::size_t>(2 * input_bytes, 1024)) {}

Output::~Output() {
  if (buffer_ != nullptr) buffer_->release();
}

Result<void> Output::need(std::size_t bytes) {
  if (buffer_->size() - size_ >= bytes) return {};
  if (bytes > limit_ - size_) return fail(over_limit());
  grow_to(std::min(limit_, std::max(size_ + bytes, 2 * buffer_->size())));
  return {};
}

Result<void> Output::grow() {
  if (buffer_->size() == limit_) return fail(over_limit());
  grow_to(std::min(limit_, 4 * std::max<std::size_t>(buffer_->size(), 256)));
  return {};
}

Result<void> Output::drain(Decompressor& source) {
  for (;;) {
    // At the limit the end may still have to be seen.
    std::byte beyond_it{};
    const bool is_full = size_ == limit_;
    if (!is_full) {
      if (auto roomy = need(1); !roomy) return roomy;
    }
    const auto got = source.read(is_full ? std::span(&beyond_it, 1) : room());
    if (!got) return fail(got.error());
    if (*got == 0) return {};
    if (is_full) return fail(over_limit());
    wrote(*got);
  }
}

Slice Output::take() {
  return trimmed(std::exchange(buffer_, nullptr), size_);
}

void Output::grow_to(std::size_t capacity) {
  Buffer* larger = Buffer::allocate(capacity);
  if (buffer_ != nullptr) {
    std::memcpy(larger->data(), buffer_->data(), size_);
    buffer_->release();
  }
  buffer_ = larger;
}

Error Output::over_limit() const {
  return beyond(codec_, limit_);
}

std::span<std::byte> Pieces::room(std::size_t bytes) {
  if (buffer_ != nullptr && buffer_->size() - size_ < bytes) close();
  if (buffer_ == nullptr) buffer_ = Buffer::allocate(std::max(piece_bytes, bytes));
  return {buffer_->data() + size_, buffer_->size() - size_};
}

Chain Pieces::take() {
  close();
  return std::move(chain_);
}

void Pieces::close() {
  if (buffer_ == nullptr) return;
  chain_.append(trimmed(std::exchange(buffer_, nullptr), std::exchange(size_, 0)));
}

}  // namespace dohle::wire::codecs
