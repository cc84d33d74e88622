#include "telemetry/export_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.hpp"

namespace dohle::telemetry {

bool ExportQueue::add(FinishedSpan span, TimePoint now) {
  if (size() >= options_.max_queue) {
    ++dropped_;
    return false;
  }
  if (waiting_.empty()) oldest_ = now;
  waiting_.push_back(std::move(span));
  ++taken_;
  return true;
}

TimePoint ExportQueue::next_at() const {
  if (is_under_way_) return never;
  if (!batch_.empty()) return retry_at_;
  if (waiting_.empty()) return never;
  const bool is_due = hurried_ > 0 || waiting_.size() >= options_.max_batch;
  return is_due ? TimePoint::min() : oldest_ + options_.batch_delay;
}

std::span<const FinishedSpan> ExportQueue::next(TimePoint now) {
  if (next_at() > now) return {};
  if (batch_.empty()) {
    const std::size_t count = std::min(waiting_.size(), options_.max_batch);
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
    batch_.assign(std::move_iterator(waiting_.begin()), std::move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    hurried_ -= std::min(hurried_, count);
    oldest_ = now;
    first_attempt_ = now;
    backoff_ = options_.retry_backoff;
  }
  is_under_way_ = true;
  return batch_;
}

void ExportQueue::on_answer(Answer answer, std::optional<Duration> retry_after, double jitter,
                            TimePoint now) {
  DOHLE_ASSERT(is_under_way_, "an answer to spans that are not under way");
  is_under_way_ = false;
  if (answer == Answer::accepted) {
    exported_ += batch_.size();
    batch_.clear();
    return;
  }
  ++failures_;
  if (answer == Answer::refused) return drop_batch();
  const auto spread = std::chrono::duration_cast<Duration>(backoff_ * (0.8 + 0.4 * jitter));
  const Duration wait = std::max(spread, retry_after.value_or(Duration{}));
  backoff_ = std::min(backoff_ * 2, options_.max_retry_backoff);
  retry_at_ = now + wait;
  if (retry_at_ - first_attempt_ > options_.give_up_after) drop_batch();
}

void ExportQueue::hurry() {
  hurried_ = waiting_.size();
  retry_at_ = TimePoint::min();
}

void ExportQueue::drop_batch() {
  dropped_ += batch_.size();
  batch_.clear();
}

void ExportQueue::drop_all() {
  is_under_way_ = false;
  drop_batch();
  dropped_ += waiting_.size();
  waiting_.clear();
  hurried_ = 0;
}

}  // namespace dohle::telemetry
