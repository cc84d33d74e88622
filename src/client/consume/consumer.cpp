#include "dohle/consumer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/thrown.hpp"
#include "base/topic_name.hpp"
#include "client/cluster/handle_access.hpp"
#include "client/cluster/waiter.hpp"
#include "client/consume/consumer_hooks.hpp"
#include "client/consume/consumer_loop.hpp"
#include "client/consume/consumer_options.hpp"
#include "client/consume/make_consumer.hpp"
#include "client/group/commit_outcome.hpp"

namespace dohle::client {

using namespace client::group_action;
using client::ConsumerNews;
using client::PollTable;
using client::StartingPoint;

namespace {

Error no_group(std::string_view what) {
  return Error::client(Errc::invalid_argument,
                       std::string(what) + " needs a group; group_id is empty");
}

}  // namespace

/// The caller's side of a consumer.
class ConsumerCalls {
 public:
  using Milliseconds = std::chrono::milliseconds;

  explicit ConsumerCalls(std::shared_ptr<ConsumerLoop> consume) : consume_(std::move(consume)) {}
  ~ConsumerCalls() {
    if (consume_->client().is_forked()) {
      keep_for_ever(std::move(consume_));
      return;
    }
    constexpr Milliseconds timeout = std::chrono::seconds(5);
    const auto report = [weak = consume_->weak_from_this()](const Result<void>& closed) {
      const auto consume = weak.lock();
      if (consume && !closed) consume->warn("close by the destructor", closed.error());
    };
    if (consume_->client().loop().is_loop_thread()) {
      // Posted, so that it runs after earlier calls.
      post([report, timeout](ConsumerLoop& consume) {
        consume.close_by(CallTime::from(consume.client().cluster().now(), timeout), report);
      });
    } else {
      report(close(timeout));
    }
  }

  Result<void> subscribe(std::vector<std::string> topics, RebalanceListener listener);
  Result<void> unsubscribe();
  Result<void> assign(std::vector<TopicPartition> partitions);
  Result<Records> poll(Milliseconds timeout);
  Result<void> commit(std::vector<PartitionOffset> offsets,
                      Milliseconds timeout = Milliseconds::max()) {
    return commit_each(std::move(offsets), timeout).as_one();
  }
  CommitOutcome commit_each(std::vector<PartitionOffset> offsets, Milliseconds timeout);
  void commit_async(std::vector<PartitionOffset> offsets, Consumer::CommitCallback callback);
  void commit_each_async(std::vector<PartitionOffset> offsets, CommitDone callback);
  Result<std::vector<PartitionOffset>> committed(std::vector<TopicPartition> partitions);
  Result<Offset> position(const TopicPartition& partition, Milliseconds timeout);
  Result<void> close(Milliseconds timeout);
  void settle() {
    consume_->desk().with([](PollTable& table) { table.fetch.settle(); });
  }
  [[nodiscard]] std::vector<PartitionOffset> taken() {
    if (consume_->client().is_forked()) return {};
    return consume_->desk().with([](PollTable& table) { return table.fetch.taken(); });
  }
  template <class To>
  Result<void> seek(const TopicPartition& partition, To to) {
    if (auto usable = check(); !usable) return usable;
    auto outcome =
        consume_->desk().with([&](PollTable& table) { return table.fetch.seek(partition, to); });
    consume_->kick();
    return outcome;
  }
  Result<void> pause(std::span<const TopicPartition> partitions, bool paused);
  [[nodiscard]] ConsumerLoop& consume() const { return *consume_; }

 private:
  [[nodiscard]] Result<void> check() const;
  /// Handles the news at the desk in order. True if the last one was Left.
  Result<bool> hear_news();
  Result<bool> hear(ConsumerNews& news);
  Result<bool> call(std::string_view name,
                    std::move_only_function<void(std::span<const TopicPartition>)>& listener,
                    const std::vector<TopicPartition>& partitions);
  Result<void> leave(const CallDeadline& deadline);
  Result<void> hear_of_leaving(const CallDeadline& deadline);
  [[nodiscard]] const Clock& clock() const { return consume_->client().environment().clock; }
  /// `timeout`, but at most default_api_timeout and the rest of the close that calls the listener.
  [[nodiscard]] Duration bounded(Duration timeout) const;
  /// Runs `start(consume, time, promise)` on the loop and waits.
  template <class T, class Start>
  Result<T> wait_for(const CallDeadline& deadline, Duration timeout, Start start);
  [[nodiscard]] std::string last_word_on(const std::string& topic);
  void post(std::move_only_function<void(ConsumerLoop&)> task);

  std::shared_ptr<ConsumerLoop> consume_;
  RebalanceListener listener_;
  bool is_subscribed_ = false;
  bool is_calling_ = false;
  /// Deadline of the close or unsubscribe that calls the listener. It also bounds the listener's
  /// calls.
  std::optional<CallDeadline> leave_by_;
};

Duration ConsumerCalls::bounded(Duration timeout) const {
  const Duration most = std::min<Duration>(timeout, consume_->options.default_api_timeout);
  return leave_by_ ? std::min<Duration>(most, leave_by_->left()) : most;
}

template <class T, class Start>
Result<T> ConsumerCalls::wait_for(const CallDeadline& deadline, Duration timeout, Start start) {
  const auto time = std::make_shared<CallTime>(deadline, timeout);
  return client::wait_for<T>(
      consume_->client().loop(), deadline, {},
      [consume = consume_, time, start = std::move(start)](auto then) mutable {
        start(*consume, time, std::move(then));
      },
      [consume = consume_, time](CallEnd) { time->end(); });
}

Result<void> ConsumerCalls::check() const {
  if (auto usable = consume_->client().check_usable(); !usable) return usable;
  const bool is_closed =
      consume_->desk().with([](const PollTable& table) { return table.is_closed; });
  if (is_closed) return fail(Error::client(Errc::closed, "the consumer is closed"));
  return {};
}

void ConsumerCalls::post(std::move_only_function<void(ConsumerLoop&)> task) {
  consume_->client().loop().post(
      [consume = consume_, task = std::move(task)]() mutable { task(*consume); });
}

/// Calls a listener. An exception that it throws is the error; else false.
Result<bool> ConsumerCalls::call(
    std::string_view name, std::move_only_function<void(std::span<const TopicPartition>)>& listener,
    const std::vector<TopicPartition>& partitions) {
  if (!listener) return false;
  is_calling_ = true;
  std::optional<std::string> thrown;
  try {
    listener(partitions);
  } catch (...) {
    thrown = text_of_thrown();
  }
  is_calling_ = false;
  if (!thrown) return false;
  return fail(Error::client(Errc::handler_failed,
                            fmt::format("the rebalance listener's {} threw: {}", name, *thrown)));
}

Result<bool> ConsumerCalls::hear(ConsumerNews& news) {
  if (auto* assigned = std::get_if<Assigned>(&news)) {
    auto called = call("on_assigned", listener_.on_assigned, assigned->partitions);
    post([](ConsumerLoop& consume) { consume.on_told_assigned(); });
    return called;
  }
  if (auto* revoke = std::get_if<Revoke>(&news)) {
    auto called = call("on_revoked", listener_.on_revoked, revoke->partitions);
    post([partitions = std::move(revoke->partitions)](ConsumerLoop& consume) {
      consume.on_told_released(partitions);
    });
    return called;
  }
  if (auto* lose = std::get_if<Lose>(&news)) {
    auto called = listener_.on_lost ? call("on_lost", listener_.on_lost, lose->partitions)
                                    : call("on_revoked", listener_.on_revoked, lose->partitions);
    post([partitions = std::move(lose->partitions)](ConsumerLoop& consume) {
      consume.on_told_released(partitions);
    });
    return called;
  }
  if (auto* failed = std::get_if<Failed>(&news)) return fail(failed->why);
  return true;
}

Result<bool> ConsumerCalls::hear_news() {
  for (;;) {
    auto next = consume_->desk().with([](PollTable& table) -> std::optional<ConsumerNews> {
      if (table.news.empty()) return std::nullopt;
      ConsumerNews first = std::move(table.news.front());
      table.news.pop_front();
      return first;
    });
    if (!next) return false;
    auto heard = hear(*next);
    if (!heard || *heard) return heard;
  }
}

Result<Records> ConsumerCalls::poll(Milliseconds timeout) {
  if (auto usable = check(); !usable) return fail(usable.error());
  if (is_calling_) {
    return fail(Error::client(Errc::invalid_argument, "a rebalance listener may not poll"));
  }
  if (consume_->client().loop().is_loop_thread()) {
    return fail(Error::client(Errc::would_deadlock,
                              "a poll on the client's own thread would wait for itself"));
  }
  settle();
  consume_->begin_poll();
  const Milliseconds patience = std::max(call_timeout(timeout), Milliseconds(0));
  (void)consume_->desk().wait(consume_->until_error(patience),
                              [](const PollTable& t) { return ConsumerLoop::has_something(t); });
  auto heard = hear_news();
  auto records = heard ? consume_->take() : Result<Records>(fail(heard.error()));
  consume_->end_poll();
  return records;
}

Result<void> ConsumerCalls::subscribe(std::vector<std::string> topics, RebalanceListener listener) {
  if (auto usable = check(); !usable) return usable;
  if (consume_->options.group_id.empty()) return fail(no_group("subscribe"));
  if (topics.empty()) {
    return fail(Error::client(Errc::invalid_argument, "subscribe needs at least one topic"));
  }
  for (const std::string& topic : topics) {
    if (auto named = check_topic_name(topic); !named)
      return fail(named.error().within("subscribe"));
  }
  std::ranges::sort(topics);
  topics.erase(std::ranges::unique(topics).begin(), topics.end());
  listener_ = std::move(listener);
  if (!std::exchange(is_subscribed_, true)) {
    // Partitions of an earlier assign() do not belong to the group.
    consume_->desk().with([](PollTable& table) { table.fetch.assign({}, false); });
  }
  post([topics = std::move(topics)](ConsumerLoop& consume) { consume.subscribe(topics); });
  return {};
}

Result<void> ConsumerCalls::leave(const CallDeadline& deadline) {
  settle();
  post([](ConsumerLoop& consume) { consume.unsubscribe(); });
  leave_by_ = deadline;
  auto left = hear_of_leaving(deadline);
  leave_by_.reset();
  return left;
}

Result<void> ConsumerCalls::hear_of_leaving(const CallDeadline& deadline) {
  Result<void> outcome;
  for (;;) {
    const bool came = consume_->desk().wait(
        deadline.left(), [](const PollTable& t) { return !t.news.empty() || t.is_closed; });
    if (!came) {
      return fail(Error::client(Errc::timed_out, "leaving the group did not end in time"));
    }
    auto heard = hear_news();
    if (!heard && outcome) outcome = fail(heard.error());
    const bool is_closed = consume_->desk().with([](PollTable& t) { return t.is_closed; });
    if ((heard && *heard) || is_closed) break;
  }
  is_subscribed_ = false;
  return outcome;
}

Result<void> ConsumerCalls::unsubscribe() {
  if (auto usable = check(); !usable) return usable;
  Result<void> outcome;
  if (is_subscribed_) {
    outcome = leave(CallDeadline(clock(), consume_->options.default_api_timeout));
  }
  consume_->desk().with([](PollTable& table) { table.fetch.assign({}, false); });
  post([](ConsumerLoop& consume) { consume.hold_topics(); });
  return outcome;
}

Result<void> ConsumerCalls::assign(std::vector<TopicPartition> partitions) {
  if (auto usable = check(); !usable) return usable;
  if (is_subscribed_) {
    return fail(
        Error::client(Errc::invalid_argument, "assign excludes subscribe; unsubscribe first"));
  }
  for (const TopicPartition& each : partitions) {
    if (auto named = check_topic_name(each.topic); !named) {
      return fail(named.error().within("assign"));
    }
    if (each.partition.value >= 0) continue;
    return fail(
        Error::client(Errc::invalid_argument,
                      fmt::format("assign: partition {} of topic {}; allowed are 0 and above",
                                  each.partition.value, each.topic)));
  }
  consume_->desk().with([&](PollTable& table) { table.fetch.assign(partitions, false); });
  post([partitions = std::move(partitions)](ConsumerLoop& consume) { consume.assign(partitions); });
  return {};
}

CommitOutcome ConsumerCalls::commit_each(std::vector<PartitionOffset> offsets, Milliseconds asked) {
  const std::size_t count = offsets.size();
  const auto of_all = [count](Error why) {
    return CommitOutcome{.refused = {}, .others = fail(std::move(why)), .offsets = count};
  };
  if (auto usable = check(); !usable) return of_all(usable.error());
  if (consume_->options.group_id.empty()) return of_all(no_group("commit"));
  const Duration timeout = bounded(call_timeout(asked));
  auto outcome = wait_for<CommitOutcome>(
      CallDeadline(clock(), timeout), timeout,
      [offsets = std::move(offsets)](ConsumerLoop& consume, SharedCallTime time,
                                     auto then) mutable {
        consume.commit_each(std::move(offsets), std::move(then), std::move(time));
      });
  return outcome ? *std::move(outcome) : of_all(outcome.error());
}

void ConsumerCalls::commit_async(std::vector<PartitionOffset> offsets,
                                 Consumer::CommitCallback callback) {
  if (!callback) return commit_each_async(std::move(offsets), nullptr);
  commit_each_async(std::move(offsets),
                    [callback = std::move(callback)](const CommitOutcome& outcome) mutable {
                      callback(outcome.as_one());
                    });
}

void ConsumerCalls::commit_each_async(std::vector<PartitionOffset> offsets, CommitDone callback) {
  const std::size_t count = offsets.size();
  if (consume_->client().is_forked()) {
    if (callback) callback({.others = fail(client::forked()), .offsets = count});
    return;
  }
  const bool has_group = !consume_->options.group_id.empty();
  post([offsets = std::move(offsets), callback = std::move(callback), has_group,
        count](ConsumerLoop& consume) mutable {
    // Commits fail when the consumer is closed at the latest, while it still exists.
    auto then = [callback = std::move(callback),
                 weak = consume.weak_from_this()](CommitOutcome outcome) mutable {
      const auto self = weak.lock();
      if (callback) {
        try {
          return callback(std::move(outcome));
        } catch (...) {
          if (self) self->say_threw("a commit callback");
          return;
        }
      }
      const auto all = outcome.as_one();
      if (self && !all) self->warn("commit", all.error());
    };
    if (!has_group) return then({.others = fail(no_group("commit")), .offsets = count});
    consume.commit_each(std::move(offsets), std::move(then));
  });
}

Result<std::vector<PartitionOffset>> ConsumerCalls::committed(
    std::vector<TopicPartition> partitions) {
  if (auto usable = check(); !usable) return fail(usable.error());
  if (consume_->options.group_id.empty()) return fail(no_group("committed"));
  const Duration timeout = bounded(consume_->options.default_api_timeout);
  return wait_for<std::vector<PartitionOffset>>(
      CallDeadline(clock(), timeout), timeout,
      [partitions = std::move(partitions)](ConsumerLoop& consume, SharedCallTime time,
                                           auto then) mutable {
        consume.committed(std::move(partitions), std::move(then), std::move(time));
      });
}

std::string ConsumerCalls::last_word_on(const std::string& topic) {
  return consume_->desk().with([&](const PollTable& table) {
    const auto found = table.topic_errors.find(topic);
    return found == table.topic_errors.end() ? std::string()
                                             : "; last: " + found->second.to_string();
  });
}

Result<Offset> ConsumerCalls::position(const TopicPartition& partition, Milliseconds timeout) {
  if (auto usable = check(); !usable) return fail(usable.error());
  Result<Offset> found = Offset{};
  const auto is_known = [&](PollTable& table) {
    found = table.fetch.position(partition);
    return !found || !found->is_none() || table.is_closed;
  };
  consume_->kick();
  if (leave_by_) timeout = std::min(leave_by_->left(), std::max(timeout, Milliseconds(0)));
  if (consume_->client().loop().is_loop_thread()) {
    if (consume_->desk().with(is_known)) return found;
    return fail(Error::client(Errc::would_deadlock, "the position is not known yet"));
  }
  if (!consume_->desk().wait(call_timeout(timeout), is_known)) {
    return fail(Error::client(Errc::timed_out,
                              fmt::format("no position of {} within {} ms{}",
                                          partition_name(partition.topic, partition.partition),
                                          timeout.count(), last_word_on(partition.topic))));
  }
  return found;
}

Result<void> ConsumerCalls::pause(std::span<const TopicPartition> partitions, bool paused) {
  if (auto usable = check(); !usable) return usable;
  Result<void> outcome;
  consume_->desk().with([&](PollTable& table) {
    for (const TopicPartition& each : partitions) {
      auto one = table.fetch.pause(each, paused);
      if (!one && outcome) outcome = one;
    }
  });
  consume_->kick();
  return outcome;
}

Result<void> ConsumerCalls::close(Milliseconds timeout) {
  const Milliseconds most = call_timeout(timeout);
  if (auto usable = check(); !usable) {
    return usable.error().is(Errc::closed) ? Result<void>{} : usable;
  }
  if (consume_->client().loop().is_loop_thread()) {
    return fail(Error::client(Errc::would_deadlock, "close would wait for its own thread"));
  }
  settle();
  Result<void> left;
  const CallDeadline deadline(clock(), most);
  if (is_subscribed_) left = leave(deadline);
  auto outcome =
      wait_for<void>(deadline, most, [](ConsumerLoop& consume, SharedCallTime time, auto then) {
        consume.close_by(std::move(time), std::move(then));
      });
  return left ? outcome : left;
}

}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

using client::PollTable;
using client::StartingPoint;

namespace {

Error moved_from() {
  return client::moved_from("the Consumer");
}

bool is_usable(const client::ConsumerCalls* calls) {
  return calls != nullptr && !calls->consume().client().is_forked();
}

}  // namespace

Consumer::Consumer(std::shared_ptr<client::ConsumerCalls> inside) : inside_(std::move(inside)) {}
Consumer::Consumer(Consumer&&) noexcept = default;
Consumer& Consumer::operator=(Consumer&& other) noexcept {
  if (this == &other) return *this;
  inside_.reset();
  inside_ = std::move(other.inside_);
  return *this;
}
Consumer::~Consumer() = default;

Result<void> Consumer::subscribe(std::vector<std::string> topics, RebalanceListener listener) {
  if (!inside_) return fail(moved_from());
  return inside_->subscribe(std::move(topics), std::move(listener));
}
Result<void> Consumer::unsubscribe() {
  if (!inside_) return fail(moved_from());
  return inside_->unsubscribe();
}
Result<void> Consumer::assign(std::vector<TopicPartition> partitions) {
  if (!inside_) return fail(moved_from());
  return inside_->assign(std::move(partitions));
}
Result<Records> Consumer::poll(std::chrono::milliseconds timeout) {
  if (!inside_) return fail(moved_from());
  return inside_->poll(timeout);
}
void Consumer::wakeup() {
  if (!is_usable(inside_.get())) return;
  auto& desk = inside_->consume().desk();
  desk.with([](PollTable& table) { table.is_woken = true; });
  desk.notify();
}
Result<void> Consumer::commit_sync() {
  if (!inside_) return fail(moved_from());
  return inside_->commit(inside_->taken());
}
Result<void> Consumer::commit_sync(std::vector<PartitionOffset> offsets) {
  if (!inside_) return fail(moved_from());
  return inside_->commit(std::move(offsets));
}
Result<void> Consumer::commit_sync(std::vector<PartitionOffset> offsets,
                                   std::chrono::milliseconds timeout) {
  if (!inside_) return fail(moved_from());
  return inside_->commit(std::move(offsets), timeout);
}
void Consumer::commit_async(CommitCallback callback) {
  if (!inside_ && callback) callback(fail(moved_from()));
  if (!inside_) return;
  inside_->commit_async(inside_->taken(), std::move(callback));
}
void Consumer::commit_async(std::vector<PartitionOffset> offsets, CommitCallback callback) {
  if (!inside_ && callback) callback(fail(moved_from()));
  if (!inside_) return;
  inside_->commit_async(std::move(offsets), std::move(callback));
}
Result<std::vector<PartitionOffset>> Consumer::committed(std::vector<TopicPartition> partitions) {
  if (!inside_) return fail(moved_from());
  return inside_->committed(std::move(partitions));
}
Result<void> Consumer::seek(const TopicPartition& partition, Offset offset) {
  if (!inside_) return fail(moved_from());
  return inside_->seek(partition, offset);
}
Result<void> Consumer::seek_to_beginning(const TopicPartition& partition) {
  if (!inside_) return fail(moved_from());
  return inside_->seek(partition, StartingPoint{StartingPoint::Kind::earliest});
}
Result<void> Consumer::seek_to_end(const TopicPartition& partition) {
  if (!inside_) return fail(moved_from());
  return inside_->seek(partition, StartingPoint{StartingPoint::Kind::latest});
}
Result<void> Consumer::seek_to_time(const TopicPartition& partition, Timestamp time) {
  if (time.value < 0) {
    return fail(Error::client(Errc::invalid_argument, "seek_to_time: the time is " +
                                                          std::to_string(time.value) +
                                                          " ms; allowed are 0 and above"));
  }
  if (!inside_) return fail(moved_from());
  return inside_->seek(partition, StartingPoint{StartingPoint::Kind::time, time});
}
Result<Offset> Consumer::position(const TopicPartition& partition) {
  if (!inside_) return fail(moved_from());
  return inside_->position(partition, inside_->consume().options.default_api_timeout);
}
Result<Offset> Consumer::position(const TopicPartition& partition,
                                  std::chrono::milliseconds timeout) {
  if (!inside_) return fail(moved_from());
  return inside_->position(partition, timeout);
}
Result<void> Consumer::pause(std::span<const TopicPartition> partitions) {
  if (!inside_) return fail(moved_from());
  return inside_->pause(partitions, true);
}
Result<void> Consumer::resume(std::span<const TopicPartition> partitions) {
  if (!inside_) return fail(moved_from());
  return inside_->pause(partitions, false);
}
std::vector<TopicPartition> Consumer::assignment() const {
  if (!is_usable(inside_.get())) return {};
  return inside_->consume().desk().with([](PollTable& table) { return table.fetch.assignment(); });
}
std::vector<TopicPartition> Consumer::paused() const {
  if (!is_usable(inside_.get())) return {};
  return inside_->consume().desk().with([](PollTable& table) { return table.fetch.paused(); });
}
std::string Consumer::member_id() const {
  if (!is_usable(inside_.get())) return {};
  return inside_->consume().desk().with([](PollTable& table) { return table.member_id; });
}
MemberEpoch Consumer::member_epoch() const {
  if (!is_usable(inside_.get())) return {};
  return MemberEpoch{
      inside_->consume().desk().with([](PollTable& table) { return table.generation.value; })};
}
std::optional<std::int64_t> Consumer::lag(const TopicPartition& partition) const {
  if (!is_usable(inside_.get())) return std::nullopt;
  return inside_->consume().desk().with(
      [&](PollTable& table) { return table.fetch.lag(partition); });
}
Result<void> Consumer::close(std::chrono::milliseconds timeout) {
  if (!inside_) return fail(moved_from());
  return inside_->close(timeout);
}

}  // namespace v0

namespace client {

Result<Consumer> make_consumer(std::shared_ptr<Client::Shared> client, ConsumerOptions options,
                               IsReadFromFirst is_read_from_first) {
  if (auto usable = client->check_usable(); !usable) return fail(usable.error());
  if (auto checked = check(options); !checked) return fail(checked.error());
  auto consume = std::make_shared<client::ConsumerLoop>(client, std::move(options),
                                                        std::move(is_read_from_first));
  client->loop().post([consume] { consume->start(); });
  client->attach(consume);
  return client::HandleAccess::make<Consumer>(
      std::make_shared<client::ConsumerCalls>(std::move(consume)));
}

bool was_made_again(const Consumer& consumer, const std::string& topic) {
  const auto& calls = HandleAccess::insides(consumer);
  if (!is_usable(calls.get())) return false;
  return calls->consume().desk().with(
      [&](const PollTable& table) { return table.fetch.is_made_again(topic); });
}

std::vector<TopicPartition> take_replaced(Consumer& consumer) {
  const auto& calls = HandleAccess::insides(consumer);
  if (!is_usable(calls.get())) return {};
  PollDesk& desk = calls->consume().desk();
  const bool has_any =
      std::as_const(desk).with([](const PollTable& table) { return table.fetch.has_replaced(); });
  if (!has_any) return {};
  return desk.with([](PollTable& table) { return table.fetch.take_replaced(); });
}

CommitOutcome commit_each_sync(Consumer& consumer, std::vector<PartitionOffset> offsets,
                               std::chrono::milliseconds timeout) {
  const auto& calls = HandleAccess::insides(consumer);
  if (!calls) return {.others = fail(moved_from("the Consumer")), .offsets = offsets.size()};
  return calls->commit_each(std::move(offsets), timeout);
}

void commit_each_async(Consumer& consumer, std::vector<PartitionOffset> offsets,
                       CommitDone callback) {
  const auto& calls = HandleAccess::insides(consumer);
  if (calls) return calls->commit_each_async(std::move(offsets), std::move(callback));
  if (callback) callback({.others = fail(moved_from("the Consumer")), .offsets = offsets.size()});
}

}  // namespace client

}  // namespace dohle
