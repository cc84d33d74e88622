// The polling thread of a subscription: it polls, commits, follows the assignment and ends.
#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "messaging/subscribe/subscription.hpp"

namespace dohle::messaging {

namespace {

/// The longest poll, after which the polling thread does its other work.
constexpr std::chrono::milliseconds max_poll{500};
/// The longest wait of the polling thread for room in a full queue before it pauses the partitions,
/// which stops fetching ahead.
constexpr std::chrono::milliseconds room_wait{100};
/// The poll's length until the start positions are known.
constexpr std::chrono::milliseconds unready_poll{20};
/// The longest commit before partitions are given up.
constexpr std::chrono::milliseconds max_commit{60'000};

std::chrono::milliseconds until(TimePoint at, TimePoint now, std::chrono::milliseconds most) {
  if (at <= now) return std::chrono::milliseconds(0);
  return std::min(most,
                  std::chrono::ceil<std::chrono::milliseconds>(std::min<Duration>(at - now, most)));
}

}  // namespace

Subscription::Reading Subscription::read() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) break;
    }
    read_once();
    if (handle_read() == Reading::taken_over) return Reading::taken_over;
  }
  finish();
  return Reading::ended;
}

void Subscription::read_once() {
  if (!is_started_ && !start_source()) return;
  leave_if_overdue();
  if (!is_started_) return;
  {
    Lock lock(mutex_);
    wait_for_room(lock);
  }
  apply_pauses();
  start_commit();
  report_lag();
  report_idle();
  poll();
}

bool Subscription::start_source() {
  if (!wait_for_overdue()) return false;
  auto started = source_.start(listener());
  if (!started) {
    back_off(started.error());
    return false;
  }
  is_started_ = true;
  const bool reports_lag = setup_.read_lag_interval.count() > 0;
  if (reports_lag && lag_due_at_ == TimePoint::max()) {
    lag_due_at_ = monotonic_now() + setup_.read_lag_interval;
  }
  return true;
}

RebalanceListener Subscription::listener() {
  // The source is a member, so its listener does not outlive this object.
  return {.on_assigned = [this](std::span<const TopicPartition> all) { on_assigned(all); },
          .on_revoked = [this](std::span<const TopicPartition> all) { on_revoked(all); },
          .on_lost = [this](std::span<const TopicPartition> all) { on_lost(all); }};
}

TopicListener Subscription::topic_listener() {
  return {.on_redirects =
              [this](const std::string& topic, RedirectTopics redirects) {
                const std::lock_guard lock(mutex_);
                state_.on_redirects(topic, std::move(redirects));
              },
          .on_dropped =
              [this](const std::string& topic) {
                const std::lock_guard lock(mutex_);
                state_.on_dropped(topic);
              },
          .on_trouble =
              [this](const Error& why) {
                {
                  const std::lock_guard lock(mutex_);
                  last_error_ = why;
                }
                report_subscription(why);
              },
          .on_delay =
              [this](const Error& why) {
                const std::lock_guard lock(mutex_);
                last_error_ = why;
              },
          .on_note =
              [this](const std::string& text) {
                Logger& logger = setup_.reports->logger();
                if (logger.level() <= LogLevel::info) logger.log(LogLevel::info, "messaging", text);
              }};
}

void Subscription::on_assigned(std::span<const TopicPartition> partitions) {
  {
    const std::lock_guard lock(mutex_);
    state_.on_assigned(partitions);
    was_assigned_ = true;
    unknown_positions_.insert(partitions.begin(), partitions.end());
    idle_.on_partitions(!state_.assignment().empty(), monotonic_now());
  }
  tell_assigned(partitions);
}

void Subscription::on_revoked(std::span<const TopicPartition> partitions) {
  drop_old_offsets();
  std::vector<PartitionOffset> offsets;
  {
    Lock lock(mutex_);
    state_.on_revoking(partitions);
    wake_workers();
    const TimePoint deadline =
        std::min(stop_by_, monotonic_now() + Duration(setup_.rebalance_timeout));
    wait_until(lock, deadline, ReaderWait::handlers,
               [&] { return !state_.is_running_in(partitions) || is_given_up_; });
  }
  tell_revoked(partitions);
  {
    const std::lock_guard lock(mutex_);
    offsets = state_.final_commit(partitions);
  }
  commit_now(std::move(offsets));
  give_up(partitions);
}

void Subscription::on_lost(std::span<const TopicPartition> partitions) {
  give_up(partitions);
  tell_lost(partitions);
}

void Subscription::give_up(std::span<const TopicPartition> partitions) {
  const std::lock_guard lock(mutex_);
  state_.on_given_up(partitions);
  wake_workers();
  for (const TopicPartition& partition : partitions) unknown_positions_.erase(partition);
  idle_.on_partitions(!state_.assignment().empty(), monotonic_now());
}

void Subscription::commit_now(std::vector<PartitionOffset> offsets) {
  if (offsets.empty()) return;
  std::chrono::milliseconds timeout;
  {
    const std::lock_guard lock(mutex_);
    timeout = until(stop_by_, monotonic_now(), max_commit);
  }
  const client::CommitOutcome outcome = source_.commit_sync(offsets, timeout);
  const Result<void> committed = outcome.as_one();
  std::vector<Report> refused;
  {
    const std::lock_guard lock(mutex_);
    refused = state_.on_committed(offsets, outcome, monotonic_now());
    if (committed) return;
    if (is_stopping_) {
      // unsubscribe returns it.
      if (!end_error_) end_error_ = committed.error().within("commit");
      return;
    }
  }
  report_commit(refused, outcome.others);
}

void Subscription::report_commit(const std::vector<Report>& refused, const Result<void>& others) {
  for (const Report& report : refused) tell(report);
  if (!others) report_subscription(others.error().within("commit"));
}

void Subscription::wait_for_room(Lock& lock) {
  if (state_.has_room()) return;
  const auto deadline = monotonic_now() + Duration(room_wait);
  wait_until(lock, deadline, ReaderWait::room, [&] { return state_.has_room() || is_stopping_; });
}

void Subscription::apply_pauses() {
  messaging::SubscriptionState::Pauses pauses;
  std::vector<Report> held;
  std::vector<std::pair<TopicPartition, Offset>> rewinds;
  {
    const std::lock_guard lock(mutex_);
    const TimePoint now = monotonic_now();
    is_asked_ = false;
    // This comes before the pauses: a rewound partition is paused, and resumes if nothing else
    // holds it.
    rewinds = state_.take_rewinds();
    pauses = state_.update_pauses(!state_.has_room(), now);
    held = state_.held_reports(now);
    DOHLE_CHECK_INVARIANTS(state_);
  }
  for (const Report& report : held) tell(report);
  setup_.reports->say_left_out(monotonic_now());
  rewind(rewinds);
  if (!pauses.pause.empty()) source_.pause(pauses.pause);
  if (!pauses.resume.empty()) source_.resume(pauses.resume);
}

void Subscription::drop_old_offsets(std::vector<ConsumerRecord>& fetched) {
  const std::vector<TopicPartition> replaced = source_.take_replaced();
  if (replaced.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    state_.on_replaced(replaced, fetched);
    wake_workers();
  }
  if (setup_.on_replaced) setup_.on_replaced();
}

void Subscription::drop_old_offsets() {
  std::vector<ConsumerRecord> none;
  drop_old_offsets(none);
}

void Subscription::start_commit() {
  drop_old_offsets();
  std::vector<PartitionOffset> offsets;
  {
    const std::lock_guard lock(mutex_);
    offsets = state_.start_commit(monotonic_now());
  }
  if (offsets.empty()) return;
  source_.commit_async(offsets,
                       [self = shared_from_this(), offsets](const client::CommitOutcome& outcome) {
                         std::vector<Report> refused;
                         {
                           Lock inner(self->mutex_);
                           const TimePoint now = monotonic_now();
                           refused = self->state_.on_commit_done(offsets, outcome, now);
                           const bool are_all = outcome.others && outcome.refused.empty();
                           are_all ? self->nudge(inner, now) : self->plan_retry(inner);
                         }
                         self->report_commit(refused, outcome.others);
                       });
}

void Subscription::plan_retry(Lock& lock) {
  // The poll began before it was known that offsets are committed again, and when.
  if (state_.next_commit_at() < poll_ends_) interrupt_poll(lock);
}

void Subscription::report_lag() {
  const TimePoint now = monotonic_now();
  if (now < lag_due_at_) return;
  lag_due_at_ = now + setup_.read_lag_interval;
  const ReadLag found = lag();
  if (setup_.read_lag_handler) {
    return call_program("the read lag handler", [&] { setup_.read_lag_handler(found); });
  }
  Logger& logger = setup_.reports->logger();
  if (logger.level() > LogLevel::info) return;
  logger.log(LogLevel::info, "messaging",
             "the subscription to " + setup_.topic + " is " + std::to_string(found.total()) +
                 " records behind the end of its " + std::to_string(found.partitions.size()) +
                 " partitions");
}

TimePoint Subscription::wake_at(TimePoint now) const {
  const TimePoint at = now + Duration(is_ready_ ? max_poll : unready_poll);
  const TimePoint due = std::min({at, lag_due_at_, state_.next_resume(now), idle_.next_time()});
  return state_.next_commit_at() > now ? std::min(due, state_.next_commit_at()) : due;
}

void Subscription::poll() {
  std::chrono::milliseconds timeout;
  {
    const std::lock_guard lock(mutex_);
    const TimePoint now = monotonic_now();
    if (is_stopping_) return;
    // A commit or a resume that became due since start_commit and apply_pauses must not wait for
    // the poll: nudge wakes a poll only once it is under way.
    timeout = has_work(now) ? std::chrono::milliseconds(0) : until(wake_at(now), now, max_poll);
    is_polling_ = true;
    poll_ends_ = now + Duration(timeout);
    is_nudged_ = false;
  }
  auto fetched = source_.poll(timeout);
  {
    const std::lock_guard lock(mutex_);
    is_polling_ = false;
  }
  if (fetched) {
    const bool is_empty = fetched->records.empty();
    std::optional<Error> error = fetched->error;
    drop_old_offsets(fetched->records);
    take(std::move(*fetched));
    learn_positions(is_empty);
    if (error) return on_failed_read(*error);
    backoff_ = std::chrono::milliseconds(0);
    failed_reads_ = 0;
  } else if (fetched.error().is(Errc::cancelled)) {
    learn_positions(false);
  } else if (fetched.error().is(Errc::limit_reached)) {
    // Events that the program still holds fill the buffer: no error, but nothing can be read now.
    Lock lock(mutex_);
    state_.hurry_batches();
    work_.notify_all();
    change_.wait_until(lock, monotonic_now() + Duration(room_wait), [&] { return is_stopping_; });
  } else {
    on_failed_read(fetched.error());
  }
}

void Subscription::take(messaging::PolledRecords fetched) {
  if (fetched.records.empty()) return;
  std::vector<std::pair<TopicPartition, Offset>> rewinds;
  {
    const std::lock_guard lock(mutex_);
    state_.on_records(fetched.records, std::move(fetched.buffer),
                      {monotonic_now(), setup_.outbox ? setup_.wall() : Timestamp{}});
    rewinds = state_.take_rewinds();
    idle_.on_message(monotonic_now());
    // After an error it waits before it continues.
    handles_itself_ = !fetched.error && handles_what_it_reads();
    if (!handles_itself_) wake_workers();
  }
  rewind(rewinds);
}

void Subscription::rewind(std::span<const std::pair<TopicPartition, Offset>> rewinds) {
  for (const auto& [partition, offset] : rewinds) {
    source_.pause({&partition, 1});
    source_.seek(partition, offset);
  }
}

void Subscription::learn_positions(bool all) {
  std::vector<TopicPartition> asked;
  {
    const std::lock_guard lock(mutex_);
    if (!was_assigned_) return;
    if (all) {
      asked = state_.assignment();
    } else {
      asked.assign(unknown_positions_.begin(), unknown_positions_.end());
    }
    if (asked.empty() && is_ready_) return;
  }
  std::vector<std::pair<TopicPartition, Offset>> known;
  for (const TopicPartition& partition : asked) {
    auto position = source_.position(partition);
    if (position && !position->is_none()) known.emplace_back(partition, *position);
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [partition, position] : known) {
    // Records may still be queued inside the source after a pause or an earlier poll. Its position
    // counts only returned records, and those have all been taken.
    state_.on_position(partition, position);
    unknown_positions_.erase(partition);
  }
  if (unknown_positions_.empty() && !is_ready_) {
    is_ready_ = true;
    change_.notify_all();
  }
}

void Subscription::leave_if_overdue() {
  // Without a group no other member takes over, and a new start would skip records.
  if (!setup_.settings.commits) return;
  std::vector<TopicPartition> owned;
  std::string why;
  {
    const std::lock_guard lock(mutex_);
    const auto since = busy_since();
    if (!since || monotonic_now() - *since < Duration(setup_.max_poll_interval)) return;
    owned = state_.assignment();
    release_pulled();
    waits_for_pull_ = setup_.pulls && pulling_ == 0;
    why = overdue_text();
  }
  // The next owner of the partitions handles the message again, so nothing waits for this handler.
  on_lost(owned);
  report_subscription(Error::client(Errc::limit_reached, why));
  if (auto left = source_.leave(); !left) back_off(left.error());
  is_started_ = false;
}

std::string Subscription::overdue_text() const {
  const char* what = "a handler runs";
  const char* until_when = "until the handler ends";
  if (setup_.pulls) {
    what = waits_for_pull_ ? "next was not called for" : "a thread holds a message of next for";
    until_when = waits_for_pull_ ? "until it is called again" : "and joins it again";
  }
  return std::string(what) + " longer than max_poll_interval (" +
         std::to_string(setup_.max_poll_interval.count()) +
         " ms); the subscription leaves the group " + until_when;
}

bool Subscription::wait_for_overdue() {
  Lock lock(mutex_);
  wait_until(lock, monotonic_now() + Duration(max_poll), ReaderWait::handlers,
             [&] { return is_free_to_join() || is_stopping_; });
  return is_free_to_join() && !is_stopping_;
}

void Subscription::back_off(const Error& why) {
  report_subscription(why);
  wait_longer(why);
}

void Subscription::on_failed_read(const Error& why) {
  failed_reads_ = std::min(failed_reads_, INT32_MAX - 1) + 1;
  if (!why.is_retriable() || failed_reads_ >= setup_.max_attempts) report_subscription(why);
  wait_longer(why);
}

void Subscription::wait_longer(const Error& why) {
  backoff_ = longer_wait(backoff_, setup_.min_backoff, setup_.max_backoff);
  Lock lock(mutex_);
  last_error_ = why;
  change_.wait_until(lock, monotonic_now() + Duration(backoff_), [&] { return is_stopping_; });
}

void Subscription::finish() {
  std::vector<TopicPartition> owned;
  std::vector<PartitionOffset> offsets;
  {
    Lock lock(mutex_);
    wait_until(lock, stop_by_, ReaderWait::handlers, [&] {
      return is_given_up_ || (state_.running() == 0 && state_.redirecting() == 0);
    });
    (void)tell_waiting(lock, monotonic_now());
  }
  drop_old_offsets();
  {
    const std::lock_guard lock(mutex_);
    owned = state_.assignment();
  }
  tell_revoked(owned);
  {
    const std::lock_guard lock(mutex_);
    offsets = state_.final_commit(owned);
  }
  commit_now(std::move(offsets));
  // All of them have the same deadline.
  const auto left = [this] {
    const std::lock_guard lock(mutex_);
    return until(stop_by_, monotonic_now(), std::chrono::hours(1));
  };
  if (setup_.outbox) setup_.outbox->close(left());
  auto closed = source_.close(left());
  const std::lock_guard lock(mutex_);
  state_.on_given_up(state_.assignment());
  if (!closed && !end_error_) end_error_ = closed.error();
}

}  // namespace dohle::messaging
