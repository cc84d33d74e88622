#include "client/produce/outcome.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace dohle::client {

void Outcome::release() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (is_settled() && !taken_.load(std::memory_order_relaxed)) {
    if (const Error* why = first_error()) {
      if (const auto told = owner.lock()) told->report_untaken({*why, topic, partition});
    }
  }
  delete this;
}

const Error* Outcome::first_error() const {
  for (const Part& part : parts_) {
    if (part.error) return &*part.error;
  }
  return nullptr;
}

void Outcome::settle(Part part) {
  {
    const std::lock_guard lock(mutex_);
    have_ += part.count;
    DOHLE_ASSERT(have_ <= expected_, "more records of a batch are settled than it has");
    parts_.push_back(std::move(part));
    if (have_ < expected_) return;
    settled_.store(true, std::memory_order_release);
  }
  // The lock is not held here: a woken thread may preempt this one at once and would block on it.
  changed_.notify_all();
}

bool Outcome::wait_for(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return is_settled(); });
}

Result<Receipt> Outcome::of(std::uint32_t index, std::int32_t timestamp_delta) const {
  const auto part = std::ranges::find_if(parts_, [index](const Part& each) {
    return index >= each.first && index - each.first < each.count;
  });
  const std::uint32_t within = index - part->first;
  if (part->error) {
    const auto own =
        std::ranges::find(part->record_errors, within, &std::pair<std::uint32_t, Error>::first);
    return fail(own != part->record_errors.end() ? own->second : *part->error);
  }
  Receipt receipt{partition, {}, part->append_time};
  if (!part->base_offset.is_none()) receipt.offset = part->base_offset + within;
  if (!receipt.timestamp.is_none()) return receipt;
  if (timestamp_delta != far_timestamp) {
    receipt.timestamp = Timestamp{base_timestamp.value + timestamp_delta};
  } else {
    receipt.timestamp = std::ranges::lower_bound(far_timestamps_, index, {},
                                                 &std::pair<std::uint32_t, Timestamp>::first)
                            ->second;
  }
  return receipt;
}

}  // namespace dohle::client
