#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "base/assert.hpp"

namespace dohle::client {

/// Counts the bytes of fetched records: queued, held by the caller, decompressed, or reserved for a
/// fetch in flight. It refuses no charge; the planner of a fetch checks `room` first.
///
/// Thread safety: any thread.
class BufferAccount {
 public:
  /// `on_room` is called on any thread when bytes are given back after `want_room`.
  BufferAccount(std::size_t limit, std::function<void()> on_room)
      : limit_(limit), on_room_(std::move(on_room)) {}
  BufferAccount(const BufferAccount&) = delete;
  BufferAccount& operator=(const BufferAccount&) = delete;

  [[nodiscard]] std::size_t limit() const { return limit_; }
  [[nodiscard]] std::size_t used() const { return used_.load(); }
  [[nodiscard]] std::size_t room() const {
    const std::size_t used = used_.load();
    return used < limit_ ? limit_ - used : 0;
  }
  void want_room() { is_wanted_.store(true); }

 private:
  friend class BufferCharge;
  void give_back(std::size_t bytes) {
    const std::size_t was = used_.fetch_sub(bytes);
    DOHLE_ASSERT(was >= bytes, "an account gets back more than was charged to it");
    if (is_wanted_.load() && is_wanted_.exchange(false) && on_room_) on_room_();
  }

  const std::size_t limit_;
  const std::function<void()> on_room_;
  std::atomic<std::size_t> used_{0};
  std::atomic<bool> is_wanted_{false};
};

/// Bytes charged to an account until it is destroyed. Not thread safe.
class BufferCharge {
 public:
  BufferCharge() = default;
  BufferCharge(std::shared_ptr<BufferAccount> account, std::size_t bytes)
      : account_(std::move(account)), bytes_(bytes) {
    account_->used_.fetch_add(bytes);
  }
  BufferCharge(BufferCharge&& other) noexcept
      : account_(std::move(other.account_)), bytes_(std::exchange(other.bytes_, 0)) {}
  BufferCharge& operator=(BufferCharge&& other) noexcept {
    std::swap(account_, other.account_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~BufferCharge() {
    if (account_) account_->give_back(bytes_);
  }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<BufferAccount> account_;
  std::size_t bytes_ = 0;
};

}  // namespace dohle::client
