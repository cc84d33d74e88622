#include "messaging/subscription_state.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/topic_name.hpp"

namespace dohle::messaging {

namespace {

/// How often a held partition is reported.
constexpr std::chrono::minutes held_period{1};
/// More than any sensible number of workers, so that unrelated keys rarely share a lane.
constexpr std::size_t lane_count = 256;

TopicPartition partition_of(const messaging::EventState& event) {
  return {std::string(event.topic), event.partition};
}

std::string place_of(const TopicPartition& partition, Offset offset) {
  return partition_name(partition.topic, partition.partition) + " at offset " +
         std::to_string(offset.value);
}

std::string place_of(const messaging::EventState& event) {
  return place_of(partition_of(event), event.offset);
}

Error not_owner(const messaging::EventState& event) {
  return Error::client(Errc::not_owner, "ack of " + place_of(event) +
                                            ": the partition was given up or assigned anew since");
}

}  // namespace

SubscriptionState::SubscriptionState(SubscriptionSettings settings)
    : settings_(settings),
      pool_(EventPool::create(settings.max_unacknowledged + settings.queue_capacity)),
      lanes_(lane_count) {}

void SubscriptionState::check_invariants() const {
  lanes_.check_invariants();
  DOHLE_ASSERT(lanes_.busy() == running_.size(), "a lane is busy without a handler that runs");
  DOHLE_ASSERT(!is_stopped_ || lanes_.queued() == 0, "a stopped subscription has work");
  for (const EventPointer& event : running_) {
    DOHLE_ASSERT(event->is_running, "an event counts as running and does not run");
  }
  for (const auto& [name, partition] : partitions_) {
    partition.ledger.check_invariants();
    const auto is_its = [&](const EventPointer& event) {
      return event->assignment == partition.assignment && event->partition == name.partition &&
             event->topic == name.topic;
    };
    DOHLE_ASSERT(partition.assignment > 0 && partition.assignment <= assignments_,
                 "a partition belongs to no assignment");
    DOHLE_ASSERT(
        partition.running == static_cast<std::size_t>(std::ranges::count_if(running_, is_its)),
        "the running handlers of a partition are miscounted");
    DOHLE_ASSERT(partition.beyond.empty() || is_full(partition),
                 "an event waits beyond max_unacknowledged while there is room");
    DOHLE_ASSERT(partition.held.size() <= partition.ledger.outstanding(),
                 "more messages hold a partition than are outstanding");
    for (const auto& [offset, why] : partition.held) {
      DOHLE_ASSERT(partition.ledger.is_outstanding(offset),
                   "a message holds its partition that is done");
    }
  }
  lanes_.for_each([&](std::size_t lane, const EventPointer& event) {
    DOHLE_ASSERT(event->lane == lane, "an event waits in another's lane");
    const auto found = partitions_.find(partition_of(*event));
    DOHLE_ASSERT(found != partitions_.end() && found->second.assignment == event->assignment,
                 "an event waits that belongs to an earlier assignment");
    DOHLE_ASSERT(!found->second.is_closing, "an event waits of a partition that is given up");
  });
}

void SubscriptionState::on_assigned(std::span<const TopicPartition> partitions) {
  for (const TopicPartition& partition : partitions) {
    assign(*partitions_.try_emplace(partition).first);
  }
}

void SubscriptionState::assign(Partitions::value_type& entry) {
  drop_waiting(entry.first);
  by_assignment_.erase(entry.second.assignment);
  entry.second = Partition{};
  entry.second.assignment = ++assignments_;
  by_assignment_.emplace(assignments_, &entry);
}

void SubscriptionState::on_revoking(std::span<const TopicPartition> partitions) {
  for (const TopicPartition& partition : partitions) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) continue;
    found->second.is_closing = true;
    found->second.beyond.clear();
    drop_waiting(partition);
  }
}

bool SubscriptionState::is_running_in(std::span<const TopicPartition> partitions) const {
  return std::ranges::any_of(partitions, [&](const TopicPartition& partition) {
    const auto found = partitions_.find(partition);
    return found != partitions_.end() && found->second.running > 0;
  });
}

void SubscriptionState::on_given_up(std::span<const TopicPartition> partitions) {
  for (const TopicPartition& partition : partitions) {
    drop_waiting(partition);
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) continue;
    by_assignment_.erase(found->second.assignment);
    partitions_.erase(found);
  }
}

std::vector<TopicPartition> SubscriptionState::assignment() const {
  std::vector<TopicPartition> all;
  for (const auto& [partition, _] : partitions_) all.push_back(partition);
  return all;
}

void SubscriptionState::stop() {
  is_stopped_ = true;
  for (auto& [_, partition] : partitions_) partition.beyond.clear();
  lanes_.drop_if([](const EventPointer&) { return true; });
}

void SubscriptionState::drop_waiting(const TopicPartition& partition) {
  lanes_.drop_if([&](const EventPointer& event) {
    return event->partition == partition.partition && event->topic == partition.topic;
  });
}

std::size_t SubscriptionState::lane_of(const ConsumerRecord& record) {
  if (!record.key && settings_.unordered) return unordered_++ % lanes_.count();
  std::size_t hash = std::hash<std::string_view>{}(record.topic);
  hash = hash * 31 + static_cast<std::size_t>(record.partition.value);
  if (record.key) hash = hash * 31 + std::hash<std::string_view>{}(as_text(*record.key));
  return hash % lanes_.count();
}

void SubscriptionState::on_records(std::span<const ConsumerRecord> records,
                                   std::shared_ptr<const void> buffer) {
  if (records.empty()) return;
  // One count more, so that it outlives the records that are not taken.
  FetchedBytes* const held =
      buffer ? new FetchedBytes(std::move(buffer), records.size() + 1) : nullptr;
  std::size_t unused = 1;
  for (const ConsumerRecord& record : records) {
    if (!on_record(record, held)) ++unused;
  }
  if (held != nullptr) held->drop(unused);
}

bool SubscriptionState::on_record(const ConsumerRecord& record, FetchedBytes* buffer) {
  const auto found = partitions_.find(Place{record.topic, record.partition});
  if (is_stopped_ || found == partitions_.end() || found->second.is_closing) return false;
  // Reading has started anew after the topic was created again or the offset was out of range, so
  // earlier events belong to an earlier assignment.
  const auto& beyond = found->second.beyond;
  const bool is_next = beyond.empty() ? found->second.ledger.is_next(record.offset)
                                      : beyond.back()->offset < record.offset;
  if (!is_next) assign(*found);
  EventPointer event = pool_->make();
  event->buffer = buffer;
  event->topic = record.topic;
  event->partition = record.partition;
  event->offset = record.offset;
  event->leader_epoch = record.leader_epoch;
  event->timestamp = record.timestamp;
  event->key = record.key;
  event->value = record.value;
  event->headers = record.headers;
  event->assignment = found->second.assignment;
  event->lane = lane_of(record);
  found->second.beyond.push_back(std::move(event));
  hand_out_beyond(found->second);
  return true;
}

void SubscriptionState::hand_out(Partition& partition, EventPointer event) {
  partition.ledger.on_delivered(event->offset, event->leader_epoch, event->bytes());
  const std::size_t lane = event->lane;
  lanes_.push(lane, std::move(event));
}

void SubscriptionState::hand_out_beyond(Partition& partition) {
  while (!partition.beyond.empty() && !is_full(partition)) {
    EventPointer event = std::move(partition.beyond.front());
    partition.beyond.pop_front();
    hand_out(partition, std::move(event));
  }
}

void SubscriptionState::on_position(const TopicPartition& partition, Offset position) {
  const auto found = partitions_.find(partition);
  // Records that are not handed out any more must not be skipped.
  if (is_stopped_ || found == partitions_.end() || found->second.is_closing) return;
  if (!found->second.beyond.empty()) return;
  found->second.ledger.on_position(position);
}

EventPointer SubscriptionState::take_work(TimePoint now) {
  if (is_stopped_) return nullptr;
  lanes_.on_time(now);
  auto taken = lanes_.take();
  if (!taken) return nullptr;
  EventPointer event = std::move(*taken);
  // A waiting event belongs to the current assignment: others are dropped when their assignment
  // ends.
  Partition* const partition = owned(*event);
  DOHLE_ASSERT(partition != nullptr, "work waits of a partition that is not owned");
  ++partition->running;
  event->is_running = true;
  event->started = now;
  running_.push_back(event);
  return event;
}

SubscriptionState::Partitions::value_type* SubscriptionState::assigned(
    std::uint64_t assignment) const {
  const auto found = by_assignment_.find(assignment);
  return found == by_assignment_.end() ? nullptr : found->second;
}

SubscriptionState::Partition* SubscriptionState::owned(const messaging::EventState& event) const {
  auto* const entry = assigned(event.assignment);
  return entry == nullptr ? nullptr : &entry->second;
}

std::optional<Report> SubscriptionState::on_handled(const EventPointer& event, Result<void> result,
                                                    TimePoint now) {
  using Settled = messaging::EventState::Settled;
  const auto place = std::ranges::find(running_, event);
  DOHLE_ASSERT(place != running_.end(), "a handler ended that did not run");
  running_.erase(place);
  event->is_running = false;
  if (event->nacked_with && result) result = fail(*event->nacked_with);

  std::optional<Report> report;
  Partition* partition = owned(*event);
  if (partition != nullptr) {
    DOHLE_ASSERT(partition->running > 0, "the running handlers of a partition are miscounted");
    --partition->running;
    if (!result && event->settled == Settled::acked) {
      report = report_of(nullptr, result.error());
    } else if (!result) {
      report = on_failed(event, *partition, result.error(), now);
    } else if (settings_.auto_ack) {
      settle(*event, *partition);
    } else if (event->settled == Settled::pending && settings_.ack_timeout) {
      await_ack(event, now + *settings_.ack_timeout);
    }
  }
  lanes_.finish(event->lane);
  if (report && report->event == nullptr) {
    report->partition = partition_of(*event);
    report->offset = event->offset;
  }
  return report;
}

std::optional<Report> SubscriptionState::on_failed(const EventPointer& event, Partition& partition,
                                                   Error why, TimePoint now) {
  using Settled = messaging::EventState::Settled;
  // A retry cannot help a message that cannot be decoded.
  const bool retry = !why.is(Errc::codec_failed) && event->attempt <= settings_.max_retries;
  event->settled = Settled::nacked;
  partition.ledger.on_attempt_over(event->offset);
  release(partition, event->offset);
  if (!retry) {
    // A new event for the error handler: the earlier handle can no longer settle the message.
    return on_failed_for_good(pool_->make_again(*event), partition, why, now);
  }
  if (partition.is_closing || is_stopped_) return std::nullopt;
  EventPointer again = pool_->make_again(*event);
  ++again->attempt;
  lanes_.push_retry(again->lane, again, now + settings_.retry_delay);
  return std::nullopt;
}

Report SubscriptionState::on_failed_for_good(const EventPointer& event, Partition& partition,
                                             const Error& why, TimePoint now) {
  event->settled = messaging::EventState::Settled::failed;
  switch (settings_.failure_policy) {
    case FailurePolicy::hold:
      hold(partition, event->offset, why, now);
      return report_of(event, why.within("holds its partition until it is acknowledged"));
    case FailurePolicy::skip:
      settle(*event, partition);
      return report_of(event, why.within("skipped"));
    case FailurePolicy::stop:
      break;
  }
  if (!stop_reason_) {
    stop_reason_ = why.within("failure_policy stop ended the subscription at " + place_of(*event));
  }
  return report_of(event, why.within("ends the subscription"));
}

void SubscriptionState::hold(Partition& partition, Offset offset, Error why, TimePoint now) {
  if (partition.held.empty()) {
    partition.next_told = now + held_period;
    partition.times_told = 0;
  }
  partition.held.insert_or_assign(offset, std::move(why));
}

void SubscriptionState::release(Partition& partition, Offset offset) {
  if (partition.held.empty()) return;
  partition.held.erase(offset);
  if (partition.held.empty()) partition.is_pause_told = false;
}

std::vector<Report> SubscriptionState::held_reports(TimePoint now) {
  std::vector<Report> reports;
  if (is_stopped_) return reports;
  for (auto& [name, partition] : partitions_) {
    if (partition.held.empty()) continue;
    const bool pauses = partition.is_paused && is_full(partition) && !partition.is_pause_told;
    if (!pauses && now < partition.next_told) continue;
    reports.push_back(tell_held(name, partition, now));
  }
  return reports;
}

Report SubscriptionState::tell_held(const TopicPartition& name, Partition& partition,
                                    TimePoint now) {
  const bool is_paused = partition.is_paused && is_full(partition);
  partition.is_pause_told = is_paused;
  partition.next_told = now + held_period;
  const auto& [offset, reason] = *partition.held.begin();
  const std::size_t later = partition.ledger.outstanding() - 1;
  std::string text = is_paused ? "the partition is paused, since this message failed and "
                               : "this message failed and holds its partition: ";
  text += std::to_string(later) + " messages after it were handed out and cannot be committed";
  if (is_paused) text += " (max_unacknowledged or max_unacknowledged_bytes)";
  if (partition.held.size() > 1) {
    text += "; " + std::to_string(partition.held.size() - 1) + " of them failed too";
  }
  if (partition.times_told > 0) {
    text += "; reported " + std::to_string(partition.times_told) + " times before";
  }
  ++partition.times_told;
  text +=
      "; to skip it, acknowledge the event in the error handler, subscribe with failure_policy "
      "skip, or end the subscription and set the group's offset to " +
      std::to_string(offset.value + 1) + "; it failed with: " + reason.to_string();
  return {.kind = Failure::Kind::held,
          .error = Error::client(Errc::limit_reached, text),
          .event = nullptr,
          .partition = name,
          .offset = offset};
}

std::vector<HeldMessage> SubscriptionState::held() const {
  std::vector<HeldMessage> all;
  for (const auto& [name, partition] : partitions_) {
    for (const auto& [offset, reason] : partition.held) {
      all.push_back({name.topic, name.partition, offset, reason});
    }
  }
  return all;
}

void SubscriptionState::await_ack(const EventPointer& event, TimePoint due) {
  ++event->remembered;
  awaited_.push_back(
      {due, event->offset, event->attempt, event->assignment, event.get(), event->use});
  if (awaited_.size() >= max_awaited_) forget_acknowledged();
}

void SubscriptionState::forget_acknowledged() {
  awaited_.remove_if([this](const AwaitedAck& each) {
    if (is_awaited(each)) return false;
    --each.memory->remembered;
    return true;
  });
  // The list has to double before the next clean-up, so that its cost per event is small.
  max_awaited_ = std::max<std::size_t>(1'024, 2 * awaited_.size());
}

bool SubscriptionState::is_awaited(const AwaitedAck& awaited) const {
  const auto* const entry = assigned(awaited.assignment);
  return entry != nullptr && entry->second.ledger.is_pending(awaited.offset, awaited.attempt);
}

void SubscriptionState::settle(messaging::EventState& event, Partition& partition) {
  event.settled = messaging::EventState::Settled::acked;
  partition.ledger.on_done(event.offset);
  release(partition, event.offset);
  hand_out_beyond(partition);
}

Report SubscriptionState::report_of(const EventPointer& event, Error why) {
  Report report{.kind = why.is(Errc::codec_failed) ? Failure::Kind::decode : Failure::Kind::handler,
                .error = std::move(why),
                .event = event,
                .partition = {},
                .offset = {}};
  if (event) {
    report.partition = partition_of(*event);
    report.offset = event->offset;
  }
  return report;
}

Result<void> SubscriptionState::ack(messaging::EventState& event) {
  using Settled = messaging::EventState::Settled;
  if (event.settled == Settled::acked) return {};
  if (event.settled == Settled::nacked) {
    return fail(Error::client(Errc::invalid_argument,
                              "ack of " + place_of(event) + ": it was passed to nack before"));
  }
  Partition* partition = owned(event);
  if (partition == nullptr) return fail(not_owner(event));
  settle(event, *partition);
  return {};
}

Result<void> SubscriptionState::nack(const EventPointer& event, Error why, TimePoint now,
                                     std::optional<Report>& report) {
  using Settled = messaging::EventState::Settled;
  if (event->settled != Settled::pending) {
    return fail(Error::client(Errc::invalid_argument,
                              "nack of " + place_of(*event) + ": it was settled before"));
  }
  Partition* partition = owned(*event);
  if (partition == nullptr) return fail(not_owner(*event));
  if (event->is_running) {
    event->settled = Settled::nacked;
    event->nacked_with = std::move(why);
    return {};
  }
  report = on_failed(event, *partition, std::move(why), now);
  return {};
}

TimePoint SubscriptionState::next_time() const {
  return awaited_.empty() ? lanes_.next_time() : std::min(lanes_.next_time(), awaited_.front().due);
}

std::vector<Report> SubscriptionState::overdue_acks(TimePoint now) {
  std::vector<Report> reports;
  while (!awaited_.empty() && awaited_.front().due <= now) {
    const AwaitedAck awaited = awaited_.front();
    awaited_.pop_front();
    EventPointer event = EventPool::find(*awaited.memory, awaited.use);
    --awaited.memory->remembered;
    if (!is_awaited(awaited)) continue;
    auto& [name, partition] = *assigned(awaited.assignment);
    const Error why =
        Error::client(Errc::timed_out, place_of(name, awaited.offset) +
                                           " was not acknowledged within ack_timeout (" +
                                           std::to_string(settings_.ack_timeout->count()) + " ms)");
    hold(partition, awaited.offset, why, now);
    reports.push_back(
        {.error = why, .event = std::move(event), .partition = name, .offset = awaited.offset});
  }
  return reports;
}

std::optional<TimePoint> SubscriptionState::running_since() const {
  if (running_.empty()) return std::nullopt;
  return (*std::ranges::min_element(running_, {}, [](auto& event) { return event->started; }))
      ->started;
}

bool SubscriptionState::is_commit_due(TimePoint now) const {
  if (!settings_.commits || is_committing_ || now < next_commit_at()) return false;
  return std::ranges::any_of(
      partitions_, [](const auto& entry) { return entry.second.ledger.due().has_value(); });
}

TimePoint SubscriptionState::next_commit_at() const {
  if (last_commit_ == TimePoint::min()) return commit_not_before_;
  return std::max(last_commit_ + settings_.commit_interval, commit_not_before_);
}

std::vector<PartitionOffset> SubscriptionState::start_commit(TimePoint now) {
  if (!is_commit_due(now)) return {};
  DOHLE_ASSERT(!is_committing_, "a commit starts while another is under way");
  is_committing_ = true;
  last_commit_ = now;
  return final_commit(assignment());
}

std::vector<PartitionOffset> SubscriptionState::final_commit(
    std::span<const TopicPartition> partitions) const {
  std::vector<PartitionOffset> offsets;
  if (!settings_.commits) return offsets;
  for (const TopicPartition& partition : partitions) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) continue;
    if (const auto due = found->second.ledger.due()) {
      offsets.push_back({partition, {.offset = due->offset, .leader_epoch = due->leader_epoch}});
    }
  }
  return offsets;
}

void SubscriptionState::on_commit_done(const std::vector<PartitionOffset>& offsets, bool succeeded,
                                       TimePoint now) {
  is_committing_ = false;
  if (succeeded) {
    commit_backoff_ = std::chrono::milliseconds(0);
    return on_committed(offsets);
  }
  commit_backoff_ = commit_backoff_.count() == 0
                        ? settings_.min_backoff
                        : std::min(commit_backoff_ * 2, settings_.max_backoff);
  commit_not_before_ = now + commit_backoff_;
}

void SubscriptionState::on_committed(const std::vector<PartitionOffset>& offsets) {
  for (const PartitionOffset& offset : offsets) {
    const auto found = partitions_.find(offset.partition);
    if (found != partitions_.end()) found->second.ledger.on_committed(offset.committed.offset);
  }
}

bool SubscriptionState::is_full(const Partition& partition) const {
  return partition.ledger.outstanding() >= settings_.max_unacknowledged ||
         partition.ledger.outstanding_bytes() >= settings_.max_unacknowledged_bytes;
}

SubscriptionState::Pauses SubscriptionState::update_pauses(bool all) {
  Pauses pauses;
  for (auto& [name, partition] : partitions_) {
    const bool pause = all || is_full(partition);
    if (pause == partition.is_paused) continue;
    partition.is_paused = pause;
    (pause ? pauses.pause : pauses.resume).push_back(name);
  }
  return pauses;
}

bool SubscriptionState::may_resume() const {
  return has_room() && std::ranges::any_of(partitions_, [this](const auto& entry) {
           return entry.second.is_paused && !is_full(entry.second);
         });
}

}  // namespace dohle::messaging
