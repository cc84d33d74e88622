#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "client/cluster/call_time.hpp"
#include "client/cluster/cluster.hpp"
#include "client/cluster/retry_time.hpp"

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

  AdminCall(Cluster& cluster, SharedCallTime time, std::string what, Then then)
      : cluster_(cluster),
        time_(std::move(time)),
        what_(std::move(what)),
        then_(std::move(then)),
        retry_(cluster) {}
  virtual ~AdminCall() = default;
  AdminCall(const AdminCall&) = delete;
  AdminCall& operator=(const AdminCall&) = delete;

  void start() {
    if (time_->deadline() != never) {
      deadline_timer_ = loop().arm(time_->deadline(), [self = this->shared_from_this()] {
        self->deadline_timer_ = 0;
        self->on_deadline();
      });
    }
    time_->on_end([weak = this->weak_from_this()] {
      const auto self = weak.lock();
      if (self && !self->is_over()) self->on_deadline();
    });
    observer_ = cluster_.observe([weak = this->weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->on_reached();
      self->on_change();
    });
    attempt();
  }

 protected:
  virtual void attempt() = 0;
  virtual void on_deadline() = 0;
  /// The state of the servers has changed: one of them may have an overdue answer.
  virtual void on_change() = 0;

  [[nodiscard]] Cluster& cluster() { return cluster_; }
  /// The call's name for messages, for instance "list topics".
  [[nodiscard]] const std::string& what() const { return what_; }
  [[nodiscard]] bool is_over() const { return !then_; }
  [[nodiscard]] Duration left() const { return time_->left(cluster_.now()); }

  void finish(Result<T> outcome) {
    if (is_over()) return;
    loop().cancel(std::exchange(deadline_timer_, 0));
    cancel_retry();
    cluster_.forget(std::exchange(observer_, 0));
    std::exchange(then_, nullptr)(std::move(outcome));
  }
  /// Waits, then makes the next attempt.
  void attempt_later() {
    if (is_over()) return;
    DOHLE_ASSERT(retry_timer_ == 0, "two attempts of one call wait at a time");
    retry_.on_failure(cluster_);
    arm_retry();
  }
  void cancel_retry() { loop().cancel(std::exchange(retry_timer_, 0)); }
  [[nodiscard]] Error overdue(std::string_view what, const std::optional<Error>& last) const {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time_->timeout()).count();
    return Error::client(
        Errc::timed_out,
        last ? fmt::format("{}: not done within {} ms; last: {}", what, ms, last->to_string())
             : fmt::format("{}: not done within {} ms{}", what, ms, cluster_.troubles()));
  }

 private:
  [[nodiscard]] Executor& loop() { return cluster_.environment().loop; }

  void arm_retry() {
    retry_timer_ = loop().arm(retry_.at(), [self = this->shared_from_this()] {
      self->retry_timer_ = 0;
      self->attempt();
    });
  }
  /// A server was reached since the last attempt failed: the next one comes soon.
  void on_reached() {
    if (retry_timer_ == 0 || !retry_.hasten(cluster_)) return;
    cancel_retry();
    arm_retry();
  }

  Cluster& cluster_;
  SharedCallTime time_;
  TimePoint deadline_;
  std::string what_;
  Then then_;
  RetryTime retry_;
  Cluster::ObserverId observer_ = 0;
  TimerId deadline_timer_ = 0;
  TimerId retry_timer_ = 0;
};

/// The action of a call while the answer to its request is overdue, so that the server may be
/// frozen (Cluster::owes_answer). A request is never repeated to a server that has not answered it.
enum class WhenLate : std::uint8_t {
  /// The request only reads: the call asks the server that is named then. The first answer counts.
  ask_again,
  /// The request changes something, or no other server can answer it: the call waits until its time
  /// is over, the connection is lost, or the cluster's metadata no longer lists the server.
  wait,
};

/// A call about several items, each with an outcome of its own. Each round sends requests for the
/// items without an outcome. A late answer to a request of an earlier round counts, too.
template <class Answer>
class ItemsCall : public AdminCall<std::vector<Result<Answer>>> {
 public:
  using Results = std::vector<Result<Answer>>;
  using typename AdminCall<Results>::Then;

  /// `names`: the items' names for messages ("orders"). `what`: the action on each item ("create
  /// topic").
  ItemsCall(Cluster& cluster, SharedCallTime time, std::string what, std::vector<std::string> names,
            Then then)
      : AdminCall<Results>(cluster, std::move(time), std::move(what), std::move(then)) {
    for (auto& name : names) items_.push_back({std::move(name), std::nullopt, std::nullopt});
  }

 protected:
  /// Maximum items per round, since connections bound their queued requests.
  static constexpr std::size_t max_round = 500;

  /// Sends requests for these items with `ask`.
  virtual void ask_about(const std::vector<std::size_t>& pending) = 0;

  [[nodiscard]] const std::string& name(std::size_t item) const { return items_[item].name; }
  [[nodiscard]] std::string doing(std::size_t item) const {
    return name(item).empty() ? this->what() : fmt::format("{} {}", this->what(), name(item));
  }

  void settle(std::size_t item, Result<Answer> outcome) {
    DOHLE_ASSERT(item < items_.size(), "an outcome names an item that the call does not have");
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

  /// Sends that server a request for these items. `take` receives the answer or an error. With
  /// ask_again it receives an error first if the answer is overdue, and later the answer.
  template <class M, class Take>
  void ask(NodeId node, std::vector<std::size_t> items, M message, Take take,
           WhenLate when_late = WhenLate::ask_again) {
    if (std::ranges::all_of(items,
                            [this](auto item) { return items_[item].outcome.has_value(); })) {
      return;
    }
    if (const Question* owed = find(node, M::api.key, items); owed != nullptr) {
      if (!owed->is_open) put_off(node, items);
      return;
    }
    using Heard = Result<typename M::Response>;
    const auto shared = std::make_shared<Take>(std::move(take));
    const std::uint64_t id = ++last_question_;
    ++open_;
    questions_.emplace(id, Question{node, M::api.key, std::move(items), when_late,
                                    [shared](const Error& why) { (*shared)(Heard(fail(why))); }});
    const Duration timeout = when_late == WhenLate::wait
                                 ? std::max<Duration>(this->left(), std::chrono::milliseconds(1))
                                 : Duration{};
    this->cluster().template ask<M>(
        node, ConnectionLane::general, std::move(message),
        [self = this->shared_from_this(), this, shared, id](Heard answer) {
          const auto question = questions_.extract(id);
          if (this->is_over()) return;
          if (!question.mapped().is_open && !answer) return;
          if (!question.mapped().is_open) reopen();
          was_late_ = question.mapped().is_late;
          (*shared)(std::move(answer));
          was_late_ = false;
          close_question();
        },
        timeout);
  }
  /// Within `take`: whether the answer was overdue.
  [[nodiscard]] bool was_late() const { return was_late_; }
  /// Whether the request was sent, so that the server may carry it out.
  [[nodiscard]] static bool may_be_done(const Error& why) {
    return why.is(Errc::connection_lost) || why.is(Errc::timed_out);
  }
  /// Logs that a request for these items is repeated though the first may be carried out.
  void warn_of_repetition(const std::vector<std::size_t>& items, const Error& why) {
    Logger& logger = this->cluster().environment().logger;
    if (items.empty() || logger.level() > LogLevel::warning) return;
    const auto others = items.size() - 1;
    logger.log(LogLevel::warning, "admin",
               fmt::format("{}{}: asked for once more, since the answer to the first request is "
                           "lost; both may be carried out ({})",
                           doing(items.front()),
                           others == 0 ? std::string() : fmt::format(" and {} more", others),
                           why.to_string()));
  }

 private:
  struct Item {
    std::string name;
    std::optional<Result<Answer>> outcome;
    std::optional<Error> last_failure;
  };

  struct Question {
    NodeId node;
    wire::ApiKey api;
    std::vector<std::size_t> items;
    WhenLate when_late;
    std::move_only_function<void(const Error&)> give_up;
    /// Whether the round waits for the answer.
    bool is_open = true;
    bool is_late = false;
  };

  /// An unanswered request to that server for all of these items.
  [[nodiscard]] const Question* find(NodeId node, wire::ApiKey api,
                                     const std::vector<std::size_t>& items) const {
    for (const auto& [id, each] : questions_) {
      if (each.node != node || each.api != api) continue;
      const auto covers = [&](std::size_t item) {
        return std::ranges::find(each.items, item) != each.items.end();
      };
      if (std::ranges::all_of(items, covers)) return &each;
    }
    return nullptr;
  }
  [[nodiscard]] Error late(NodeId node) {
    const std::string trouble = this->cluster().trouble_with(node, ConnectionLane::general);
    return Error::client(Errc::timed_out, trouble.empty()
                                              ? this->cluster().name_of(node) + " answers nothing"
                                              : trouble)
        .with_retriable(true);
  }
  void put_off(NodeId node, const std::vector<std::size_t>& items) {
    for (const std::size_t item : items) {
      if (!items_[item].outcome) repeat(item, late(node).within(doing(item)));
    }
  }

  void on_change() final {
    std::vector<std::uint64_t> given_up;
    for (auto& [id, each] : questions_) {
      if (!each.is_open || !this->cluster().owes_answer(each.node)) continue;
      each.is_late = true;
      if (each.when_late == WhenLate::ask_again) given_up.push_back(id);
    }
    for (const std::uint64_t id : given_up) {
      const auto found = questions_.find(id);
      if (found == questions_.end() || this->is_over()) continue;
      found->second.is_open = false;
      found->second.give_up(late(found->second.node));
      close_question();
    }
  }
  /// A late answer continues the present round or begins the next one.
  void reopen() {
    this->cancel_retry();
    ++open_;
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
    this->attempt_later();
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
  std::map<std::uint64_t, Question> questions_;
  std::uint64_t last_question_ = 0;
  std::size_t open_ = 0;
  bool progress_ = false;
  bool was_late_ = false;
};

/// A call that any server can answer. `Make` makes its request, `Read` converts the answer to the
/// result or an error.
template <class T, class M>
class SingleCall final : public ItemsCall<T> {
 public:
  using Make = M (*)();
  using Read = Result<T> (*)(const typename M::Response&);

  SingleCall(Cluster& cluster, SharedCallTime time, std::string what, Make make, Read read,
             typename AdminCall<T>::Then then)
      : ItemsCall<T>(cluster, std::move(time), std::move(what), {""},
                     [then = std::move(then)](Result<std::vector<Result<T>>> outcome) mutable {
                       then(outcome ? std::move(outcome->front()) : fail(outcome.error()));
                     }),
        make_(make),
        read_(read) {}

 private:
  void ask_about(const std::vector<std::size_t>& pending) override {
    this->ask(this->cluster().any_node(), pending, make_(),
              [this](Result<typename M::Response> answer) {
                auto outcome = answer ? read_(*answer) : Result<T>(fail(answer.error()));
                if (outcome) return this->settle(0, std::move(outcome));
                const Error& why = outcome.error();
                this->on_item_failure(0, is_worth_repeating(why) ? why : why.within(this->what()));
              });
  }

  Make make_;
  Read read_;
};

}  // namespace dohle::client
