#include "wire/codecs/buffers.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "wire/codecs/codecs.hpp"

namespace dohle::wire::codecs {

namespace {

constexpr std::size_t piece_bytes = 64 * 1024;
constexpr std::size_t large_bytes = std::size_t{8} << 20;

}  // namespace

Slice trimmed(Buffer* buffer, std::size_t used) {
  DOHLE_ASSERT(used <= buffer->size(), "a codec wrote beyond its buffer");
  Slice slice(buffer, buffer->data(), used);
  return used < buffer->size() / 2 ? Slice::copy_of(slice.bytes()) : slice;
}

Output::Output(Compression codec, Bytes input, const DecompressionLimits& limits)
    : codec_(codec),
      limit_(limits.max_bytes),
      most_(std::min(limit_, max_decompressed_bytes(codec, input))) {
  const std::size_t said = min_decompressed_bytes(codec, input);
  grow_to(std::min(most_, said > 0 ? said : std::max<std::size_t>(2 * input.size(), 1024)));
}

Output::~Output() {
  if (buffer_ != nullptr) buffer_->release();
}

Result<void> Output::need(std::size_t bytes) {
  if (buffer_->size() - size_ >= bytes) return {};
  if (bytes > limit_ - size_) return fail(over_limit());
  grow_to(next_capacity(std::max(size_ + bytes, 2 * buffer_->size())));
  return {};
}

Result<void> Output::grow() {
  if (buffer_->size() == limit_) return fail(over_limit());
  grow_to(next_capacity(4 * std::max<std::size_t>(buffer_->size(), 256)));
  return {};
}

std::size_t Output::next_capacity(std::size_t at_least) const {
  const bool is_large = at_least > large_bytes;
  return std::min(limit_, is_large ? std::max(at_least, most_) : at_least);
}

Result<void> Output::drain(Decompressor& source) {
  for (;;) {
    const bool is_full = size_ == buffer_->size();
    // The buffer may have exactly the needed size, so it grows only after a further byte was read.
    std::byte next{};
    const auto got = source.read(is_full ? std::span(&next, 1) : room());
    if (!got) return fail(got.error());
    if (*got == 0) return {};
    if (is_full) {
      if (auto roomy = need(1); !roomy) return roomy;
      room()[0] = next;
    }
    wrote(*got);
  }
}

Slice Output::take() {
  return trimmed(std::exchange(buffer_, nullptr), size_);
}

void Output::grow_to(std::size_t capacity) {
  DOHLE_ASSERT(capacity >= size_ && capacity <= limit_, "a buffer grows beyond its limit");
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
