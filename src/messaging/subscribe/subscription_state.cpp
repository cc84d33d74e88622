#include "messaging/subscribe/subscription_state.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "messaging/failures/redirect_headers.hpp"

namespace dohle::messaging {

namespace {

using std::chrono::milliseconds;

/// Time between two reports of a held partition.
constexpr std::chrono::minutes held_period{1};
/// The settings of a topic that limit how far the time of a record may lie from the server's.
constexpr std::string_view limits_of_time =
    "message.timestamp.before.max.ms and message.timestamp.after.max.ms";
/// More than any sensible number of workers, so that unrelated keys rarely share a lane.
constexpr std::size_t lane_count = 256;

TopicPartition partition_of(const messaging::EventState& event) {
  return {std::string(event.topic), event.partition};
}

Error not_owner(const messaging::EventState& event, std::string_view call) {
  return Error::client(Errc::not_owner, std::string(call) + " of " + place_of(event) +
                                            ": the partition was given up or assigned anew since");
}

Error settled_before(const messaging::EventState& event, std::string_view call) {
  return Error::client(Errc::invalid_argument,
                       std::string(call) + " of " + place_of(event) + ": it was settled before");
}

RetryPolicy::Settings retry_settings(const SubscriptionSettings& settings) {
  RetryPolicy::Settings made{.max_retries = settings.max_retries,
                             .retry_delay = settings.retry_delay,
                             .max_retry_delay = settings.max_retry_delay,
                             .failure_policy = settings.failure_policy,
                             .has_dead_letters = settings.redirects.dead_letters.has_value(),
                             .seed = settings.seed};
  for (const RedirectTopic& retry : settings.redirects.retries) {
    made.topic_delays.push_back(retry.delay);
  }
  return made;
}

}  // namespace

SubscriptionState::SubscriptionState(SubscriptionSettings settings)
    : settings_(std::move(settings)),
      retry_policy_(retry_settings(settings_)),
      pool_(EventPool::create(settings_.max_unacknowledged + settings_.queue_capacity)),
      lanes_(settings_.batches ? settings_.batches->lanes : lane_count),
      redirect_book_(settings_.redirects) {
  for (const auto& [source, topics] : settings_.redirects_of) redirect_book_.set(source, topics);
  if (settings_.batches) batcher_.emplace(settings_.batches->lanes, settings_.batches->size);
}

void SubscriptionState::check_invariants() const {
  lanes_.check_invariants();
  if (batcher_) batcher_->check_invariants();
  const auto with_lane = [](const auto& entry) { return entry.second.has_lane; };
  const std::size_t busy = batcher_ ? batcher_->unfinished() : lanes_.busy();
  DOHLE_ASSERT(busy == running_.size() +
                           static_cast<std::size_t>(std::ranges::count_if(redirects_, with_lane)),
               "a lane is busy without a handler that runs or a redirection");
  check_redirects();
  DOHLE_ASSERT(!is_stopped_ || queued() == 0, "a stopped subscription has work");
  for (const EventPointer& event : running_) {
    DOHLE_ASSERT(event->is_running && running_.at(event->running_place) == event,
                 "an event counts as running and does not run");
  }
  check_counts();
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
    DOHLE_ASSERT(partition.beyond.empty() || is_full(partition) || partition.failing_redirects > 0,
                 "an event waits beyond max_unacknowledged while there is room");
    DOHLE_ASSERT(partition.held.size() <= partition.ledger.outstanding(),
                 "more messages hold a partition than are outstanding");
    for (const auto& [offset, why] : partition.held) {
      DOHLE_ASSERT(partition.ledger.is_outstanding(offset),
                   "a message holds its partition that is done");
    }
  }
  for_each_queued([&](std::size_t lane, const EventPointer& event) {
    DOHLE_ASSERT(event->lane == lane, "an event waits in another's lane");
    const auto found = partitions_.find(Place{event->topic, event->partition});
    DOHLE_ASSERT(found != partitions_.end() && found->second.assignment == event->assignment,
                 "an event waits that belongs to an earlier assignment");
    DOHLE_ASSERT(!found->second.is_closing, "an event waits of a partition that is given up");
  });
}

void SubscriptionState::check_counts() const {
  std::size_t due = 0;
  std::size_t refused = 0;
  std::size_t paused = 0;
  std::size_t waiting = 0;
  for (const auto& [_, partition] : partitions_) {
    due += partition.ledger.due() ? 1 : 0;
    refused += partition.ledger.due() && partition.refusal ? 1 : 0;
    paused += partition.is_paused ? 1 : 0;
    waiting += partition.queued;
    DOHLE_ASSERT(partition.queued == 0 || partition.queued == queued_of(partition.assignment),
                 "the waiting events of a partition are miscounted");
  }
  DOHLE_ASSERT(waiting == queued(), "the waiting events of a partition are miscounted");
  DOHLE_ASSERT(due == due_, "the partitions with something to commit are miscounted");
  DOHLE_ASSERT(refused == refused_, "the partitions whose offsets were refused are miscounted");
  DOHLE_ASSERT(paused == paused_, "the paused partitions are miscounted");
}

std::size_t SubscriptionState::queued_of(std::uint64_t assignment) const {
  std::size_t count = 0;
  for_each_queued([&](std::size_t, const EventPointer& event) {
    count += event->assignment == assignment ? 1 : 0;
  });
  return count;
}

void SubscriptionState::check_redirects() const {
  std::size_t under_way = 0;
  for (const auto& [id, pending] : redirects_) {
    DOHLE_ASSERT(id == pending.redirect.id && id <= last_redirect_,
                 "a redirection has another's number");
    under_way += pending.is_under_way ? 1 : 0;
    const auto* const entry = assigned(pending.redirect.event->assignment);
    DOHLE_ASSERT(entry != nullptr || pending.is_under_way,
                 "a redirection waits that belongs to an earlier assignment");
    DOHLE_ASSERT(
        entry == nullptr || entry->second.ledger.is_outstanding(pending.redirect.event->offset),
        "a message is redirected that is done");
  }
  DOHLE_ASSERT(under_way == redirecting_, "the redirections under way are miscounted");
  for (const auto& [_, partition] : partitions_) {
    const auto fails_here = [&](const auto& entry) {
      return entry.second.is_failing &&
             entry.second.redirect.event->assignment == partition.assignment;
    };
    DOHLE_ASSERT(partition.failing_redirects ==
                     static_cast<std::size_t>(std::ranges::count_if(redirects_, fails_here)),
                 "the failing redirections of a partition are miscounted");
  }
}

void SubscriptionState::on_assigned(std::span<const TopicPartition> partitions) {
  for (const TopicPartition& partition : partitions) {
    assign(*partitions_.try_emplace(partition).first);
  }
}

void SubscriptionState::assign(Partitions::value_type& entry) {
  drop_waiting(entry.second);
  end_assignment(entry.second.assignment);
  uncount(entry.second);
  entry.second = Partition{};
  entry.second.assignment = ++assignments_;
  entry.second.hash = std::hash<std::string_view>{}(entry.first.topic) * 31 +
                      static_cast<std::size_t>(entry.first.partition.value);
  auto place = redirect_book_.find(entry.first.topic);
  entry.second.level = place.level;
  entry.second.redirects = std::move(place.topics);
  by_assignment_.emplace(assignments_, &entry);
}

void SubscriptionState::end_assignment(std::uint64_t assignment) {
  by_assignment_.erase(assignment);
  known_assignments_[assignment % known_assignments_.size()] = {};
}

void SubscriptionState::set_paused(Partition& partition, bool is_paused) {
  if (std::exchange(partition.is_paused, is_paused) == is_paused) return;
  is_paused ? ++paused_ : --paused_;
}

void SubscriptionState::count_due(Partition& partition) {
  const bool is_due = partition.ledger.due().has_value();
  if (std::exchange(partition.is_due, is_due) == is_due) return;
  is_due ? ++due_ : --due_;
  if (partition.refusal) is_due ? ++refused_ : --refused_;
}

void SubscriptionState::uncount(Partition& partition) {
  set_paused(partition, false);
  end_refusal(partition);
  if (std::exchange(partition.is_due, false)) --due_;
}

void SubscriptionState::begin_again(Partitions::value_type& entry) {
  const bool is_paused = entry.second.is_paused;
  const bool is_paused_by_program = entry.second.is_paused_by_program;
  const std::size_t level = entry.second.level;
  auto redirects = std::move(entry.second.redirects);
  assign(entry);
  set_paused(entry.second, is_paused);
  entry.second.is_paused_by_program = is_paused_by_program;
  // Its source may have been dropped meanwhile.
  entry.second.level = level;
  entry.second.redirects = std::move(redirects);
}

void SubscriptionState::on_revoking(std::span<const TopicPartition> partitions) {
  for (const TopicPartition& partition : partitions) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) continue;
    found->second.is_closing = true;
    drop_waiting(found->second);
  }
}

bool SubscriptionState::is_running_in(std::span<const TopicPartition> partitions) const {
  return std::ranges::any_of(partitions, [&](const TopicPartition& partition) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) return false;
    return found->second.running > 0 || found->second.redirecting > 0;
  });
}

void SubscriptionState::on_given_up(std::span<const TopicPartition> partitions) {
  for (const TopicPartition& partition : partitions) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) continue;
    drop_waiting(found->second);
    uncount(found->second);
    end_assignment(found->second.assignment);
    partitions_.erase(found);
  }
}

std::vector<TopicPartition> SubscriptionState::assignment() const {
  std::vector<TopicPartition> all;
  for (const auto& [partition, _] : partitions_) all.push_back(partition);
  return all;
}

std::vector<TopicPartition> SubscriptionState::assignment_of_sources() const {
  std::vector<TopicPartition> all;
  for (const auto& [name, partition] : partitions_) {
    if (partition.level == 0) all.push_back(name);
  }
  return all;
}

void SubscriptionState::stop() {
  is_stopped_ = true;
  for (auto& [_, partition] : partitions_) {
    partition.beyond.clear();
    partition.queued = 0;
  }
  drop_queued_if([](const EventPointer&) { return true; });
  for (const auto& [_, partition] : partitions_) drop_redirects(partition.assignment);
}

void SubscriptionState::drop_waiting(Partition& partition) {
  partition.beyond.clear();
  partition.queued = 0;
  drop_queued_if(
      [&](const EventPointer& event) { return event->assignment == partition.assignment; });
  drop_redirects(partition.assignment);
}

std::size_t SubscriptionState::lane_of(const Partition& partition, const ConsumerRecord& record) {
  if (!record.key && settings_.unordered) return unordered_++ % lanes_.count();
  std::size_t hash = partition.hash;
  const bool goes_by_key = record.key && !settings_.orders_partitions;
  if (goes_by_key) hash = hash * 31 + std::hash<std::string_view>{}(as_text(*record.key));
  return hash % lanes_.count();
}

void SubscriptionState::on_records(std::span<const ConsumerRecord> records,
                                   std::shared_ptr<const void> buffer, Now now) {
  if (records.empty()) return;
  // One count more, so that it outlives the records that are not taken.
  FetchedBytes* const held =
      buffer ? new FetchedBytes(std::move(buffer), records.size() + 1) : nullptr;
  std::size_t unused = 1;
  Partitions::value_type* found = nullptr;
  const ConsumerRecord* last = nullptr;
  for (const ConsumerRecord& record : records) {
    // The records of a poll are in runs of one partition, whose names are the same bytes.
    const bool is_same = last != nullptr && last->partition == record.partition &&
                         last->topic.data() == record.topic.data() &&
                         last->topic.size() == record.topic.size();
    if (!is_same) found = find(record);
    last = &record;
    if (!on_record(found, record, held, now)) ++unused;
  }
  if (held != nullptr) held->drop(unused);
}

SubscriptionState::Partitions::value_type* SubscriptionState::find(const ConsumerRecord& record) {
  const auto found = partitions_.find(Place{record.topic, record.partition});
  return found == partitions_.end() ? nullptr : &*found;
}

bool SubscriptionState::on_record(Partitions::value_type* found, const ConsumerRecord& record,
                                  FetchedBytes* buffer, Now now) {
  if (is_stopped_ || found == nullptr || found->second.is_closing) return false;
  // It was read before the partition is placed at the offset of its rewind.
  if (found->second.rewind) return false;
  // Reading has started anew after the topic was created again or the offset was out of range, so
  // earlier events belong to an earlier assignment.
  const auto& beyond = found->second.beyond;
  const bool is_next = beyond.empty() ? found->second.ledger.is_next(record.offset)
                                      : beyond.back()->offset < record.offset;
  if (!is_next) begin_again(*found);
  if (found->second.level > 0 && waits_for_its_delay(found->second, record, now)) return false;
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
  event->lane = lane_of(found->second, record);
  event->level = found->second.level;
  event->started = now.mono;
  if (event->level > 0) event->earlier_attempts = attempts_of(record.headers);
  Partition& partition = found->second;
  if (partition.beyond.empty() && may_hand_out(partition)) {
    hand_out(partition, std::move(event));
  } else {
    partition.beyond.push_back(std::move(event));
  }
  return true;
}

bool SubscriptionState::waits_for_its_delay(Partition& partition, const ConsumerRecord& record,
                                            Now now) {
  if (partition.rewind) return true;
  const Duration rest = rest_of_delay(partition.level, record.timestamp, now);
  if (rest <= Duration(0)) return false;
  // The clock of the member that stored it may be ahead by any time, but nothing waits for more
  // than one delay once it is next.
  const bool has_waited = partition.waits_for == record.offset;
  if (has_waited && now.mono >= partition.waits_until) return false;
  if (!has_waited) partition.waits_until = now.mono + rest;
  partition.waits_for = partition.rewind.emplace(record.offset);
  return true;
}

Duration SubscriptionState::rest_of_delay(std::size_t level, Timestamp stored, Now now) const {
  const milliseconds delay = retry_policy_.delay_of(level);
  // Neither a time of the future nor one before the epoch, which another program may have written.
  const std::int64_t latest = std::max<std::int64_t>(0, now.wall.value);
  const milliseconds passed(now.wall.value - std::clamp<std::int64_t>(stored.value, 0, latest));
  if (passed >= delay) return Duration(0);
  return delay - passed + std::min<Duration>(delay / 20, std::chrono::seconds(1));
}

std::vector<std::pair<TopicPartition, Offset>> SubscriptionState::take_rewinds() {
  std::vector<std::pair<TopicPartition, Offset>> rewinds;
  for (auto& [name, partition] : partitions_) {
    if (!partition.rewind) continue;
    rewinds.emplace_back(name, *std::exchange(partition.rewind, std::nullopt));
    set_paused(partition, true);
  }
  return rewinds;
}

TimePoint SubscriptionState::next_resume(TimePoint now) const {
  TimePoint next = never;
  for (const auto& [_, partition] : partitions_) {
    if (partition.waits_until > now) next = std::min(next, partition.waits_until);
  }
  return next;
}

void SubscriptionState::hand_out(Partition& partition, EventPointer event) {
  partition.ledger.on_delivered(event->offset, event->leader_epoch, event->bytes());
  count_due(partition);
  ++partition.queued;
  enqueue(std::move(event));
  // No more events of this partition come that could fill the batch.
  if (batcher_ && is_full(partition)) hurry_batches_of(partition);
}

bool SubscriptionState::may_hand_out(const Partition& partition) const {
  // Only the whole batch shows how much room there is.
  return !is_ending_batch_ && !is_full(partition) && partition.failing_redirects == 0;
}

void SubscriptionState::hand_out_beyond(Partition& partition) {
  while (!partition.beyond.empty() && may_hand_out(partition)) {
    hand_out(partition, partition.beyond.take_front());
  }
}

void SubscriptionState::on_position(const TopicPartition& partition, Offset position) {
  const auto found = partitions_.find(partition);
  // Records that are not handed out any more must not be skipped.
  if (is_stopped_ || found == partitions_.end() || found->second.is_closing) return;
  if (!found->second.beyond.empty() || found->second.rewind) return;
  found->second.ledger.on_position(position);
  count_due(found->second);
}

EventPointer SubscriptionState::take_work(TimePoint now) {
  if (is_stopped_) return nullptr;
  lanes_.on_time(now);
  EventPointer taken;
  if (lanes_.take(taken)) start(taken, now);
  return taken;
}

void SubscriptionState::start(EventPointer event, TimePoint now) {
  // A waiting event belongs to the current assignment: others are dropped when their assignment
  // ends.
  Partition* const partition = owned(*event);
  DOHLE_ASSERT_COSTLY(partition != nullptr, "work waits of a partition that is not owned");
  DOHLE_ASSERT_COSTLY(partition->queued > 0, "the waiting events of a partition are miscounted");
  --partition->queued;
  ++partition->running;
  event->is_running = true;
  event->started = now;
  event->running_place = running_.size();
  running_.push_back(std::move(event));
}

SubscriptionState::Partitions::value_type* SubscriptionState::assigned(
    std::uint64_t assignment) const {
  Known& known = known_assignments_[assignment % known_assignments_.size()];
  if (known.assignment == assignment && known.entry != nullptr) return known.entry;
  const auto found = by_assignment_.find(assignment);
  if (found == by_assignment_.end()) return nullptr;
  known = {assignment, found->second};
  return found->second;
}

SubscriptionState::Partition* SubscriptionState::owned(const messaging::EventState& event) const {
  auto* const entry = assigned(event.assignment);
  return entry == nullptr ? nullptr : &entry->second;
}

SubscriptionState::Ended SubscriptionState::end_running(EventState& event) {
  const std::size_t place = event.running_place;
  DOHLE_ASSERT_COSTLY(place < running_.size() && running_[place].get() == &event,
                      "a handler ended that did not run");
  if (place + 1 < running_.size()) {
    std::swap(running_[place], running_.back());
    running_[place]->running_place = place;
  }
  Ended ended{std::move(running_.back()), owned(event)};
  running_.pop_back();
  event.is_running = false;
  if (ended.partition != nullptr) {
    DOHLE_ASSERT_COSTLY(ended.partition->running > 0,
                        "the running handlers of a partition are miscounted");
    --ended.partition->running;
  }
  return ended;
}

void SubscriptionState::on_released(const EventPointer& event) {
  DOHLE_ASSERT(!event->nacked_with, "a failed event is released in place of being retried");
  end_running(*event);
  finish_lane(event->lane);
}

bool SubscriptionState::on_succeeded(EventState& handled) {
  if (handled.nacked_with || !settings_.auto_ack) return false;
  auto [event, partition] = end_running(handled);
  if (partition != nullptr) settle(*event, *partition);
  finish_lane(event->lane);
  pool_->put_back(std::move(event));
  return true;
}

std::optional<Report> SubscriptionState::on_handled(EventState& handled, Result<void> result,
                                                    TimePoint now, FailureAction asked) {
  using Settled = messaging::EventState::Settled;
  if (result && on_succeeded(handled)) return std::nullopt;
  auto [event, partition] = end_running(handled);
  if (event->nacked_with && result) {
    result = fail(*event->nacked_with);
    asked = event->nacked_action;
  }

  std::optional<Report> report;
  bool has_lane = true;
  if (partition != nullptr) {
    if (!result && event->settled == Settled::acked) {
      report = report_about(*event, result.error());
    } else if (!result) {
      report = on_failed(event, *partition, result.error(), now, asked, has_lane);
    } else if (event->settled == Settled::pending && settings_.ack_timeout) {
      await_ack(event, now + *settings_.ack_timeout);
    }
  }
  if (has_lane) finish_lane(event->lane);
  pool_->put_back(std::move(event));
  return report;
}

std::optional<Report> SubscriptionState::on_failed(const EventPointer& event, Partition& partition,
                                                   Error why, TimePoint now, FailureAction asked,
                                                   bool& has_lane) {
  const RetryPolicy::Decision decision =
      retry_policy_.decide({.why = why,
                            .attempt = event->attempt,
                            .level = event->level,
                            .asked = asked,
                            .wanted_level = event->wanted_level});
  event->settled = messaging::EventState::Settled::nacked;
  partition.ledger.on_attempt_over(event->offset);
  release(partition, event->offset);
  // A new event: the earlier handle can no longer settle the message.
  EventPointer next = pool_->make_again(*event);
  if (const auto* const last = std::get_if<RetryPolicy::GiveUp>(&decision)) {
    return give_up(next, partition, why, last->policy, now, has_lane);
  }
  // Its next owner handles it again.
  if (partition.is_closing || is_stopped_) return std::nullopt;
  if (const auto* const topic = std::get_if<RetryPolicy::UseRetryTopic>(&decision)) {
    redirect(std::move(next), topic->level, std::move(why), now, has_lane);
    return std::nullopt;
  }
  ++next->attempt;
  ++partition.queued;
  enqueue_retry(std::move(next), now + std::get<RetryPolicy::RetryInPlace>(decision).wait);
  return std::nullopt;
}

std::optional<Report> SubscriptionState::give_up(const EventPointer& event, Partition& partition,
                                                 const Error& why, FailurePolicy policy,
                                                 TimePoint now, bool& has_lane) {
  event->settled = messaging::EventState::Settled::failed;
  switch (policy) {
    case FailurePolicy::hold:
      hold(partition, event->offset, why, now);
      return report_of(event, why.within("holds its partition until it is acknowledged"));
    case FailurePolicy::skip:
      settle(*event, partition);
      return report_of(event, why.within("skipped"));
    case FailurePolicy::dead_letter:
      if (!partition.is_closing && !is_stopped_) redirect(event, 0, why, now, has_lane);
      return std::nullopt;
    case FailurePolicy::stop:
      break;
  }
  if (!stop_reason_) {
    stop_reason_ = why.within("failure_policy stop ended the subscription at " + place_of(*event));
  }
  return report_of(event, why.within("ends the subscription"));
}

void SubscriptionState::redirect(EventPointer event, std::size_t level, Error why, TimePoint now,
                                 bool& has_lane) {
  const auto& topics = owned(*event)->redirects;
  DOHLE_ASSERT(level > 0 || topics->dead_letters, "a message is redirected to no topic");
  event->settled = messaging::EventState::Settled::nacked;
  const RedirectTopic& to = level > 0 ? topics->retries.at(level - 1) : *topics->dead_letters;
  DOHLE_ASSERT(!to.name.empty(), "a message is redirected whose source has no topics for that");
  const std::uint64_t id = ++last_redirect_;
  redirects_.emplace(id, PendingRedirect{.redirect = {.id = id,
                                                      .event = std::move(event),
                                                      .to = {topics, &to},
                                                      .is_dead_letter = level == 0,
                                                      .why = std::move(why)},
                                         .has_lane = std::exchange(has_lane, false),
                                         .due = now});
}

std::optional<Redirect> SubscriptionState::take_redirect(TimePoint now) {
  if (is_stopped_) return std::nullopt;
  for (auto& [_, pending] : redirects_) {
    if (pending.is_under_way || pending.due > now) continue;
    Partition* const partition = owned(*pending.redirect.event);
    DOHLE_ASSERT(partition != nullptr, "a redirection waits of a partition that is not owned");
    pending.is_under_way = true;
    ++redirecting_;
    ++partition->redirecting;
    return pending.redirect;
  }
  return std::nullopt;
}

void SubscriptionState::on_redirected(std::uint64_t id, const Result<Receipt>& outcome,
                                      TimePoint now) {
  const auto found = redirects_.find(id);
  DOHLE_ASSERT(found != redirects_.end() && found->second.is_under_way,
               "the outcome of a redirection comes that is not under way");
  PendingRedirect& pending = found->second;
  pending.is_under_way = false;
  --redirecting_;
  Partition* const partition = owned(*pending.redirect.event);
  if (partition != nullptr) --partition->redirecting;
  if (partition != nullptr && !outcome) {
    fail_redirect(pending, outcome.error(), now);
    // Its next owner handles it again.
    if (!partition->is_closing && !is_stopped_) return;
  } else if (partition != nullptr) {
    if (pending.redirect.is_dead_letter) {
      redirect_reports_.push_back(dead_letter_report(pending, *outcome));
    }
    if (std::exchange(pending.is_failing, false)) --partition->failing_redirects;
    settle(*pending.redirect.event, *partition);
  }
  end_redirect(pending);
  redirects_.erase(found);
}

void SubscriptionState::fail_redirect(PendingRedirect& pending, const Error& why, TimePoint now) {
  const EventState& event = *pending.redirect.event;
  if (!std::exchange(pending.is_failing, true)) ++owned(event)->failing_redirects;
  pending.backoff = longer_wait(pending.backoff, settings_.min_backoff, settings_.max_backoff);
  pending.due = now + pending.backoff;
  ++pending.failed;
  if (now < pending.next_told) return;
  pending.next_told = now + held_period;
  std::string text = "it could not be stored in " + pending.redirect.to->name +
                     " and is tried again; its partition waits";
  if (pending.failed > 1) text += "; it failed " + std::to_string(pending.failed) + " times";
  if (why.is_broker(broker_error::invalid_timestamp)) {
    text += "; the clock here differs from the server's by more than " +
            std::string(limits_of_time) + " of that topic allow";
  }
  text += "; the handler failed with: " + pending.redirect.why.to_string();
  redirect_reports_.push_back({.kind = Failure::Kind::redirect,
                               .error = why.within(text),
                               .event = nullptr,
                               .partition = partition_of(event),
                               .offset = event.offset});
}

Report SubscriptionState::dead_letter_report(const PendingRedirect& pending,
                                             const Receipt& receipt) {
  const Redirect& done = pending.redirect;
  return report_about(*done.event,
                      done.why.within("dead-lettered to " +
                                      place_of(done.to->name, receipt.partition, receipt.offset)));
}

void SubscriptionState::end_redirect(PendingRedirect& pending) {
  Partition* const partition = owned(*pending.redirect.event);
  if (partition != nullptr && std::exchange(pending.is_failing, false)) {
    --partition->failing_redirects;
    hand_out_beyond(*partition);
  }
  if (std::exchange(pending.has_lane, false)) finish_lane(pending.redirect.event->lane);
}

void SubscriptionState::drop_redirects(std::uint64_t assignment) {
  for (auto each = redirects_.begin(); each != redirects_.end();) {
    PendingRedirect& pending = each->second;
    if (pending.redirect.event->assignment != assignment || pending.is_under_way) {
      ++each;
      continue;
    }
    end_redirect(pending);
    each = redirects_.erase(each);
  }
}

std::vector<Report> SubscriptionState::take_redirect_reports() {
  return std::exchange(redirect_reports_, {});
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
  count_due(partition);
  release(partition, event.offset);
  hand_out_beyond(partition);
}

Report SubscriptionState::report_of(const EventPointer& event, Error why) {
  Report report = report_about(*event, std::move(why));
  report.event = event;
  return report;
}

Report SubscriptionState::report_about(const EventState& event, Error why) {
  const bool is_decode = why.is(Errc::codec_failed);
  return {.kind = is_decode ? Failure::Kind::decode : Failure::Kind::handler,
          .error = std::move(why),
          .event = nullptr,
          .partition = partition_of(event),
          .offset = event.offset};
}

Result<void> SubscriptionState::ack(messaging::EventState& event) {
  using Settled = messaging::EventState::Settled;
  if (event.settled == Settled::acked) return {};
  if (event.settled == Settled::nacked) {
    return fail(Error::client(Errc::invalid_argument,
                              "ack of " + place_of(event) + ": it was passed to nack before"));
  }
  Partition* partition = owned(event);
  if (partition == nullptr) return fail(not_owner(event, "ack"));
  settle(event, *partition);
  return {};
}

Result<void> SubscriptionState::nack(const EventPointer& event, Error why, TimePoint now,
                                     std::optional<Report>& report, FailureAction asked) {
  if (event->settled != messaging::EventState::Settled::pending) {
    return fail(settled_before(*event, "nack"));
  }
  Partition* partition = owned(*event);
  if (partition == nullptr) return fail(not_owner(*event, "nack"));
  if (event->is_running) {
    event->settled = messaging::EventState::Settled::nacked;
    event->nacked_with = std::move(why);
    event->nacked_action = asked;
    return {};
  }
  bool has_lane = false;
  report = on_failed(event, *partition, std::move(why), now, asked, has_lane);
  return {};
}

Result<void> SubscriptionState::retry_after(const EventPointer& event, milliseconds delay,
                                            TimePoint now) {
  if (event->settled != messaging::EventState::Settled::pending) {
    return fail(settled_before(*event, "retry_after"));
  }
  if (owned(*event) == nullptr) return fail(not_owner(*event, "retry_after"));
  const auto level = retry_policy_.level_after(event->level, delay);
  if (!level) {
    return fail(Error::client(Errc::invalid_argument, "retry_after of " + place_of(*event) +
                                                          ": no retry topic is left "
                                                          "whose delay is at least " +
                                                          std::to_string(delay.count()) +
                                                          " ms (retry_topics)"));
  }
  event->wanted_level = *level;
  std::optional<Report> report;
  return nack(event,
              Error::client(Errc::handler_failed, "the handler asked for a retry after " +
                                                      std::to_string(delay.count()) + " ms"),
              now, report);
}

TimePoint SubscriptionState::next_attendance() const {
  TimePoint next = never;
  if (!awaited_.empty()) next = std::min(next, awaited_.front().due);
  for (const auto& [_, pending] : redirects_) {
    if (!pending.is_under_way) next = std::min(next, pending.due);
  }
  return next;
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
        Error::client(Errc::timed_out, place_of(name.topic, name.partition, awaited.offset) +
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

std::size_t SubscriptionState::queued_behind_failing_redirects() const {
  if (redirects_.empty()) return 0;
  std::size_t behind = 0;
  for (const auto& [_, partition] : partitions_) {
    if (partition.failing_redirects > 0) behind += partition.queued;
  }
  return behind;
}

bool SubscriptionState::has_room() const {
  const std::size_t most = settings_.queue_capacity / 2;
  return queued() <= most || queued() - queued_behind_failing_redirects() <= most;
}

bool SubscriptionState::is_full(const Partition& partition) const {
  return partition.ledger.outstanding() >= settings_.max_unacknowledged ||
         partition.ledger.outstanding_bytes() >= settings_.max_unacknowledged_bytes;
}

bool SubscriptionState::is_waiting(const Partition& partition, TimePoint now) const {
  return is_paused_by_program_ || partition.is_paused_by_program || is_full(partition) ||
         partition.failing_redirects > 0 || now < partition.waits_until;
}

SubscriptionState::Pauses SubscriptionState::update_pauses(bool all, TimePoint now) {
  Pauses pauses;
  for (auto& [name, partition] : partitions_) {
    const bool pause = all || is_waiting(partition, now);
    if (pause == partition.is_paused) continue;
    set_paused(partition, pause);
    (pause ? pauses.pause : pauses.resume).push_back(name);
  }
  return pauses;
}

bool SubscriptionState::may_resume(TimePoint now) const {
  return paused_ > 0 && has_room() && std::ranges::any_of(partitions_, [&](const auto& entry) {
           return entry.second.is_paused && !is_waiting(entry.second, now);
         });
}

}  // namespace dohle::messaging
