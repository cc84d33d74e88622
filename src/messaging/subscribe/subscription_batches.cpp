// The part of SubscriptionState that differs if the handler takes batches.
#include <algorithm>
#include <ranges>
#include <utility>

#include "base/assert.hpp"
#include "messaging/subscribe/subscription_state.hpp"

namespace dohle::messaging {

void SubscriptionState::enqueue(EventPointer event) {
  const std::size_t lane = event->lane;
  if (!batcher_) return lanes_.push(lane, std::move(event));
  const TimePoint due = event->started + settings_.batches->interval;
  batcher_->push(lane, std::move(event), due);
}

void SubscriptionState::enqueue_retry(EventPointer event, TimePoint at) {
  const std::size_t lane = event->lane;
  if (!batcher_) return lanes_.push_retry(lane, std::move(event), at);
  if (is_ending_batch_) {
    batch_retries_.emplace_back(std::move(event), at);
    return;
  }
  batcher_->push_retry(lane, std::move(event), at);
}

void SubscriptionState::finish_lane(std::size_t lane) {
  batcher_ ? batcher_->finish(lane) : lanes_.finish(lane);
}

void SubscriptionState::hurry_batches() {
  if (batcher_) batcher_->hurry_if([](const EventPointer&) { return true; });
}

void SubscriptionState::hurry_batches_of(const Partition& partition) {
  batcher_->hurry_if(
      [&](const EventPointer& event) { return event->assignment == partition.assignment; });
}

std::vector<EventPointer> SubscriptionState::take_batch(TimePoint now) {
  DOHLE_ASSERT(batcher_.has_value(), "a batch is taken of a subscription without batches");
  if (is_stopped_) return {};
  std::vector<EventPointer> batch = batcher_->take(now);
  for (const EventPointer& event : batch) start(event, now);
  return batch;
}

std::vector<const Error*> SubscriptionState::failures_of(std::span<const EventPointer> batch,
                                                         const BatchOutcome& outcome) {
  DOHLE_ASSERT(batch.size() == outcome.own.size(), "a batch has the outcome of another");
  std::vector<const Error*> failures(batch.size(), nullptr);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::optional<Result<void>>& own = outcome.own[i];
    const bool is_pending = batch[i]->settled == EventState::Settled::pending;
    if (own && !*own) failures[i] = &own->error();
    if (!own && !outcome.handled && is_pending) failures[i] = &outcome.handled.error();
  }
  return failures;
}

std::vector<Report> SubscriptionState::on_batch_handled(std::span<const EventPointer> batch,
                                                        const BatchOutcome& outcome, TimePoint now,
                                                        std::span<const FailureAction> asked) {
  const std::vector<const Error*> failures = failures_of(batch, outcome);
  const bool is_told =
      outcome.handled || std::ranges::find(failures, &outcome.handled.error()) != failures.end();
  std::vector<Report> reports;
  is_ending_batch_ = true;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Result<void> result = failures[i] ? Result<void>(fail(*failures[i])) : Result<void>();
    auto report = on_handled(batch[i], result, now, asked[i]);
    if (report) reports.push_back(std::move(*report));
  }
  is_ending_batch_ = false;
  // Backwards, so that they are in front of their lane in their order.
  for (auto& [event, at] : std::views::reverse(batch_retries_)) enqueue_retry(event, at);
  batch_retries_.clear();
  for (auto& [_, partition] : partitions_) hand_out_beyond(partition);
  if (!is_told) {
    reports.push_back(report_about(
        *batch.front(),
        outcome.handled.error().within("its events were acknowledged or passed to nack")));
  }
  return reports;
}

}  // namespace dohle::messaging
