#include "disk/memory_file.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/assert.hpp"

namespace dohle::disk {

namespace {

constexpr std::uint64_t min_chunk_bytes = 4 * 1024;
constexpr std::uint64_t max_chunk_bytes = 256 * 1024;
/// Chunk n < doublings has min_chunk_bytes << n bytes, every later one max_chunk_bytes.
constexpr std::uint64_t doublings = std::bit_width(max_chunk_bytes / min_chunk_bytes) - 1;
constexpr std::uint64_t doubling_bytes = max_chunk_bytes - min_chunk_bytes;

struct Spot {
  std::size_t chunk;
  std::size_t within;
};

std::size_t chunk_size(std::size_t index) {
  return index < doublings ? min_chunk_bytes << index : max_chunk_bytes;
}

Spot spot_of(std::uint64_t offset) {
  if (offset >= doubling_bytes) {
    const std::uint64_t rest = offset - doubling_bytes;
    return {doublings + rest / max_chunk_bytes, rest % max_chunk_bytes};
  }
  // Chunk n starts at (2^n - 1) * min_chunk_bytes.
  const auto index = static_cast<std::size_t>(std::bit_width(offset / min_chunk_bytes + 1) - 1);
  return {index, offset - ((std::uint64_t{1} << index) - 1) * min_chunk_bytes};
}

/// A Buffer that gives its bytes back to the account with its last reference.
class Chunk final : public Buffer {
 public:
  static Slice make(std::shared_ptr<MemoryAccount> account, std::size_t size) {
    if (!account->take(size)) return {};
    auto* chunk =
        new Chunk(std::make_unique_for_overwrite<std::byte[]>(size), size, std::move(account));
    return {chunk, chunk->data(), size};
  }

 private:
  Chunk(std::unique_ptr<std::byte[]> bytes, std::size_t size,
        std::shared_ptr<MemoryAccount> account)
      : Buffer(bytes.get(), size, &Chunk::drop),
        bytes_(std::move(bytes)),
        account_(std::move(account)) {}

  static void drop(Buffer* buffer) noexcept {
    auto* chunk = static_cast<Chunk*>(buffer);
    chunk->account_->give_back(chunk->size());
    delete chunk;
  }

  std::unique_ptr<std::byte[]> bytes_;
  std::shared_ptr<MemoryAccount> account_;
};

}  // namespace

bool MemoryAccount::take(std::size_t bytes) {
  std::size_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > max_bytes_ || used > max_bytes_ - bytes) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

std::uint64_t MemoryContents::size() const {
  const std::scoped_lock lock(mutex_);
  return size_;
}

std::size_t MemoryContents::read(std::uint64_t offset, std::span<std::byte> into) const {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t end = std::min<std::uint64_t>(size_, offset + into.size());
  std::size_t done = 0;
  while (offset + done < end) {
    const Spot spot = spot_of(offset + done);
    const Slice& chunk = chunks_[spot.chunk];
    const std::size_t part = std::min<std::size_t>(chunk.size() - spot.within, end - offset - done);
    std::memcpy(into.data() + done, chunk.data() + spot.within, part);
    done += part;
  }
  return done;
}

void MemoryContents::view(std::uint64_t offset, std::size_t size, Chain& out) const {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t end = std::min<std::uint64_t>(size_, offset + size);
  while (offset < end) {
    const Spot spot = spot_of(offset);
    const Slice& chunk = chunks_[spot.chunk];
    const std::size_t part = std::min<std::size_t>(chunk.size() - spot.within, end - offset);
    out.append(chunk.sub(spot.within, part));
    offset += part;
  }
}

/// Allocates all chunks up to `end`, or none if that would exceed the limit.
bool MemoryContents::grow(std::uint64_t end) {
  const std::uint64_t before = capacity_;
  while (capacity_ < end) {
    Slice chunk = Chunk::make(account_, chunk_size(chunks_.size()));
    if (chunk.empty()) {
      drop_above(before);
      return false;
    }
    capacity_ += chunk.size();
    chunks_.push_back(std::move(chunk));
  }
  return true;
}

/// Copies the shared chunks whose bytes in [from, end) a Slice may show.
bool MemoryContents::make_writable(std::uint64_t from, std::uint64_t end) {
  end = std::min(end, shown_);
  while (from < end) {
    const Spot spot = spot_of(from);
    Slice& chunk = chunks_[spot.chunk];
    if (chunk.buffer()->is_shared()) {
      Slice copy = Chunk::make(account_, chunk.size());
      if (copy.empty()) return false;
      const std::uint64_t start = from - spot.within;
      if (start < size_) {
        const std::size_t written = std::min<std::size_t>(chunk.size(), size_ - start);
        std::memcpy(copy.buffer()->data(), chunk.data(), written);
      }
      chunk = std::move(copy);
    }
    from += chunk.size() - spot.within;
  }
  return true;
}

void MemoryContents::put(std::uint64_t offset, Bytes bytes) {
  while (!bytes.empty()) {
    const Spot spot = spot_of(offset);
    DOHLE_ASSERT(spot.chunk < chunks_.size(), "a file is written to beyond its chunks");
    Slice& chunk = chunks_[spot.chunk];
    const std::size_t part = std::min(chunk.size() - spot.within, bytes.size());
    std::memcpy(chunk.buffer()->data() + spot.within, bytes.data(), part);
    bytes = bytes.subspan(part);
    offset += part;
  }
}

void MemoryContents::put_zeros(std::uint64_t from, std::uint64_t end) {
  while (from < end) {
    const Spot spot = spot_of(from);
    Slice& chunk = chunks_[spot.chunk];
    const std::size_t part = std::min<std::size_t>(chunk.size() - spot.within, end - from);
    std::memset(chunk.buffer()->data() + spot.within, 0, part);
    from += part;
  }
}

/// Allocates [from, end), and fills the gap between the file's end and `from` with zeros.
bool MemoryContents::prepare(std::uint64_t from, std::uint64_t end) {
  if (!grow(end) || !make_writable(std::min(from, size_), end)) return false;
  if (from > size_) put_zeros(size_, from);
  if (end > size_) size_ = shown_ = end;
  DOHLE_ASSERT(size_ <= shown_ && shown_ <= capacity_, "a file is longer than its chunks");
  return true;
}

bool MemoryContents::write(std::uint64_t offset, std::span<const Bytes> pieces) {
  const std::scoped_lock lock(mutex_);
  std::uint64_t end = offset;
  for (const Bytes piece : pieces) end += piece.size();
  if (end == offset) return true;
  if (!prepare(offset, end)) return false;
  for (const Bytes piece : pieces) {
    put(offset, piece);
    offset += piece.size();
  }
  return true;
}

void MemoryContents::drop_above(std::uint64_t end) {
  while (!chunks_.empty() && capacity_ - chunks_.back().size() >= end) {
    capacity_ -= chunks_.back().size();
    chunks_.pop_back();
  }
}

bool MemoryContents::reserve(std::uint64_t end) {
  const std::scoped_lock lock(mutex_);
  return grow(end);
}

bool MemoryContents::truncate(std::uint64_t size) {
  const std::scoped_lock lock(mutex_);
  if (size > size_) return prepare(size, size);
  size_ = size;
  drop_above(size);
  shown_ = std::min(shown_, capacity_);
  DOHLE_ASSERT(size_ <= shown_, "bytes of a cut file count as unwritten");
  return true;
}

}  // namespace dohle::disk
