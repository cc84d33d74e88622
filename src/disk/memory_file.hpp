#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "base/disk.hpp"
#include "base/file_tree.hpp"

namespace dohle::disk {

/// The limit on all chunks of one memory disk together. Chunks may outlive the disk.
class MemoryAccount {
 public:
  explicit MemoryAccount(std::size_t max_bytes) : max_bytes_(max_bytes) {}
  [[nodiscard]] bool take(std::size_t bytes);
  void give_back(std::size_t bytes) {
    const std::size_t was = used_.fetch_sub(bytes, std::memory_order_relaxed);
    DOHLE_ASSERT(was >= bytes, "a memory disk gets back more than was taken from it");
  }
  [[nodiscard]] std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t max_bytes() const { return max_bytes_; }

 private:
  const std::size_t max_bytes_;
  std::atomic<std::size_t> used_{0};
};

/// A file's bytes in chunks of 4 KiB doubling to 256 KiB. A written byte never changes in a chunk
/// that a Slice refers to: such a chunk is copied first. Appends go to the unwritten rest of a
/// chunk, which no Slice shows. Thread safety: every call locks; the bytes of a Slice need no lock.
class MemoryContents final : public FileNode {
 public:
  MemoryContents(bool directory, std::shared_ptr<MemoryAccount> account)
      : FileNode(directory), account_(std::move(account)) {}

  [[nodiscard]] std::uint64_t bytes() const override { return size(); }
  [[nodiscard]] std::uint64_t size() const;
  std::size_t read(std::uint64_t offset, std::span<std::byte> into) const;
  void view(std::uint64_t offset, std::size_t size, Chain& out) const;
  /// False if it would exceed the limit; nothing is then written.
  [[nodiscard]] bool write(std::uint64_t offset, std::span<const Bytes> pieces);
  [[nodiscard]] bool reserve(std::uint64_t end);
  /// Making it smaller always succeeds.
  [[nodiscard]] bool truncate(std::uint64_t size);

 private:
  [[nodiscard]] bool grow(std::uint64_t end);
  void drop_above(std::uint64_t end);
  [[nodiscard]] bool prepare(std::uint64_t from, std::uint64_t end);
  [[nodiscard]] bool make_writable(std::uint64_t from, std::uint64_t end);
  void put(std::uint64_t offset, Bytes bytes);
  void put_zeros(std::uint64_t from, std::uint64_t end);

  std::shared_ptr<MemoryAccount> account_;
  mutable std::mutex mutex_;
  std::vector<Slice> chunks_;
  std::uint64_t size_ = 0;
  /// A Slice may show bytes below it. After a truncation it may be above size(), within the last
  /// chunk.
  std::uint64_t shown_ = 0;
  std::uint64_t capacity_ = 0;
};

}  // namespace dohle::disk
