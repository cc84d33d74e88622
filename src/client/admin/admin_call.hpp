#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "client/cluster/cluster.hpp"

namespace dohle::client {

/// Whether an Admin request should be repeated. A missing topic is an answer.
[[nodiscard]] inline bool is_worth_repeating(const Error& error) {
  return error.is_retriable() && !error.is_broker(broker_error::unknown_topic_or_partition);
}

/// One call of Admin: attempts with a backoff between them, until it is answered or its deadline
/// passes. Its requests and timers keep it alive; if they are dropped, `then` is dropped too. Loop
/// thread only.
template <class T>
class AdminCall : public std::enable_shared_from_this<AdminCall<T>> {
 public:
  using Then = std::move_only_function<void(Result<T>)>;

  AdminCall(Cluster& cluster, Duration timeout, std::string what, Then then)
      : cluster_(cluster),
        timeout_(timeout),
        deadline_(cluster.now() + timeout),
        what_(std::move(what)),
        then_(std::move(then)),
        backoff_(cluster.retry_backoff()) {}
  virtual ~AdminCall() = default;
  AdminCall(const AdminCall&) = delete;
  AdminCall& operator=(const AdminCall&) = delete;

  void start() {
    deadline_timer_ = loop().arm(deadline_, [self = this->shared_from_this()] {
      self->deadline_timer_ = 0;
      self->on_deadline();
    });
    attempt();
  }

 protected:
  virtual void attempt() = 0;
  virtual void on_deadline() { finish(fail(overdue(what_))); }

  [[nodiscard]] Cluster& cluster() { return cluster_; }
  /// The call's name for messages, for instance "list topics".
  [[nodiscard]] const std::string& what() const { return what_; }
  [[nodiscard]] bool is_over() const { return !then_; }
  [[nodiscard]] Duration left() const {
    return std::max(deadline_ - cluster_.now(), Duration::zero());
  }

  void finish(Result<T> outcome) {
    if (is_over()) return;
    loop().cancel(std::exchange(deadline_timer_, 0));
    loop().cancel(std::exchange(retry_timer_, 0));
    std::exchange(then_, nullptr)(std::move(outcome));
  }
  /// Waits, then makes the next attempt.
  void attempt_later(const Error& why) {
    if (is_over()) return;
    last_failure_ = why;
    DOHLE_ASSERT(retry_timer_ == 0, "two attempts of one call wait at a time");
    const TimePoint at = cluster_.now() + backoff_.next(cluster_.environment().random);
    retry_timer_ = loop().arm(at, [self = this->shared_from_this()] {
      self->retry_timer_ = 0;
      self->attempt();
    });
  }
  /// As attempt_later if a retry may help, else finish.
  void on_failure(const Error& why) {
    if (!is_worth_repeating(why)) return finish(fail(why.within(what_)));
    if (why.is_broker(broker_error::not_controller)) cluster_.doubt();
    attempt_later(why);
  }
  [[nodiscard]] Error overdue(std::string_view what) const { return overdue(what, last_failure_); }
  [[nodiscard]] Error overdue(std::string_view what, const std::optional<Error>& last) const {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count();
    return Error::client(
        Errc::timed_out,
        last ? fmt::format("{}: not done within {} ms; last: {}", what, ms, last->to_string())
             : fmt::format("{}: not done within {} ms{}", what, ms, cluster_.troubles()));
  }

 private:
  [[nodiscard]] Executor& loop() { return cluster_.environment().loop; }

  Cluster& cluster_;
  Duration timeout_;
  TimePoint deadline_;
  std::string what_;
  Then then_;
  Backoff backoff_;
  std::optional<Error> last_failure_;
  TimerId deadline_timer_ = 0;
  TimerId retry_timer_ = 0;
};

/// A call with one request to one server. `Ask` is called with (cluster, then) for each attempt.
/// `Read` converts the answer to the result or an error.
template <class T, class M>
class SingleCall final : public AdminCall<T> {
 public:
  using Ask = std::move_only_function<void(Cluster&, Cluster::Then<M>)>;
  using Read = std::move_only_function<Result<T>(const typename M::Response&)>;

  SingleCall(Cluster& cluster, Duration timeout, std::string what, Ask ask, Read read,
             typename AdminCall<T>::Then then)
      : AdminCall<T>(cluster, timeout, std::move(what), std::move(then)),
        ask_(std::move(ask)),
        read_(std::move(read)) {}

 private:
  void attempt() override {
    ask_(this->cluster(),
         [self = this->shared_from_this(), this](Result<typename M::Response> answer) {
           if (this->is_over()) return;
           auto outcome = answer ? read_(*answer) : Result<T>(fail(answer.error()));
           if (!outcome) return this->on_failure(outcome.error());
           this->finish(std::move(outcome));
         });
  }

  Ask ask_;
  Read read_;
};

/// A call about several items, each with an outcome of its own. Each round sends requests for the
/// items without an outcome.
template <class Answer>
class ItemsCall : public AdminCall<std::vector<Result<Answer>>> {
 public:
  using Results = std::vector<Result<Answer>>;
  using typename AdminCall<Results>::Then;

  /// `names`: the items' names for messages ("orders"). `what`: the action on each item ("create
  /// topic").
  ItemsCall(Cluster& cluster, Duration timeout, std::string what, std::vector<std::string> names,
            Then then)
      : AdminCall<Results>(cluster, timeout, std::move(what), std::move(then)) {
    for (auto& name : names) items_.push_back({std::move(name), std::nullopt, std::nullopt});
  }

 protected:
  /// Maximum items per round, since connections bound their queued requests.
  static constexpr std::size_t max_round = 500;

  /// Sends requests for these items with `ask`, `ask_any` or `ask_controller`.
  virtual void ask_about(const std::vector<std::size_t>& pending) = 0;

  [[nodiscard]] const std::string& name(std::size_t item) const { return items_[item].name; }
  [[nodiscard]] std::string doing(std::size_t item) const {
    return fmt::format("{} {}", this->what(), name(item));
  }
  [[nodiscard]] std::size_t size() const { return items_.size(); }

  void settle(std::size_t item, Result<Answer> outcome) {
    DOHLE_ASSERT(item < items_.size(), "an outcome of nothing that was asked about");
    if (items_[item].outcome) return;
    items_[item].outcome = std::move(outcome);
    progress_ = true;
  }
  /// Repeats the request for the item if a retry may help.
  void on_item_failure(std::size_t item, const Error& why) {
    if (!is_worth_repeating(why)) return settle(item, fail(why));
    if (why.is_broker(broker_error::not_controller)) this->cluster().doubt();
    repeat(item, why);
  }
  void repeat(std::size_t item, const Error& why) { items_[item].last_failure = why; }
  [[nodiscard]] const std::optional<Error>& last_failure(std::size_t item) const {
    return items_[item].last_failure;
  }

  template <class M, class Take>
  void ask(NodeId node, M message, Take take) {
    ++open_;
    this->cluster().ask(node, ConnectionLane::general, std::move(message),
                        taking<M>(std::move(take)));
  }
  template <class M, class Take>
  void ask_any(M message, Take take) {
    ++open_;
    this->cluster().ask_any(std::move(message), taking<M>(std::move(take)));
  }
  template <class M, class Take>
  void ask_controller(M message, Take take) {
    ++open_;
    this->cluster().ask_controller(std::move(message), taking<M>(std::move(take)));
  }

 private:
  struct Item {
    std::string name;
    std::optional<Result<Answer>> outcome;
    std::optional<Error> last_failure;
  };

  template <class M, class Take>
  auto taking(Take take) {
    return [self = this->shared_from_this(), this,
            take = std::move(take)](Result<typename M::Response> answer) mutable {
      if (this->is_over()) return;
      take(std::move(answer));
      close_question();
    };
  }

  void attempt() final {
    std::vector<std::size_t> pending;
    for (std::size_t i = 0; i < items_.size() && pending.size() < max_round; ++i) {
      if (!items_[i].outcome) pending.push_back(i);
    }
    if (pending.empty()) return this->finish(results());
    DOHLE_ASSERT(open_ == 0, "a round of questions begins before the last one ended");
    progress_ = false;
    // Answers may arrive inside ask_about; the round ends only after it.
    open_ = 1;
    ask_about(pending);
    close_question();
  }

  void close_question() {
    DOHLE_ASSERT(open_ > 0, "more answers came than were asked for");
    if (--open_ != 0) return;
    const auto waiting = std::ranges::find_if(
        items_, [](const Item& item) { return !item.outcome && item.last_failure; });
    if (progress_ || waiting == items_.end()) return attempt();
    this->attempt_later(*waiting->last_failure);
  }

  void on_deadline() final {
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (!items_[i].outcome) settle(i, fail(this->overdue(doing(i), items_[i].last_failure)));
    }
    this->finish(results());
  }

  Results results() {
    Results all;
    for (Item& item : items_) {
      DOHLE_ASSERT(item.outcome.has_value(), "a call ends without an outcome for each item");
      all.push_back(std::move(*item.outcome));
    }
    return all;
  }

  std::vector<Item> items_;
  std::size_t open_ = 0;
  bool progress_ = false;
};

}  // namespace dohle::client
