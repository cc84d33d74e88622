#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/backoff.hpp"
#include "client/cluster_view.hpp"
#include "client/environment.hpp"
#include "client/link.hpp"
#include "wire/codec.hpp"

namespace dohle::client {

/// Which of the connections to a server a request takes. Servers answer each connection in order,
/// so whatever may be held back (long polls, joining a group) has a lane of its own.
enum class Lane : std::uint32_t { general = 0, produce = 1 };

/// What a Client is made of: connections, what is known of the cluster, and requests to its
/// servers. Producer, consumer and admin put their requests through it. Retries are theirs: a
/// request here is sent once.
///
/// Loop thread only (or before the loop runs). Callbacks run on the loop, each exactly once,
/// possibly from within the call when it fails at once.
class Engine final : public LinkOwner {
 public:
  struct Options {
    /// Resolved each time they are dialled.
    std::vector<Endpoint> bootstrap;
    Link::Options link;
    ClusterView::Options view;
    Duration reconnect_backoff = std::chrono::milliseconds(50);
    Duration reconnect_backoff_max = std::chrono::seconds(1);
    /// For the users of the engine: wait before a request is tried again.
    Duration retry_backoff = std::chrono::milliseconds(100);
    Duration retry_backoff_max = std::chrono::seconds(1);
    Duration default_api_timeout = std::chrono::seconds(60);
  };
  template <class M>
  using Then = std::move_only_function<void(Result<typename M::Response>)>;
  using ObserverId = std::uint64_t;

  Engine(Environment environment, Options options);
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] const Environment& environment() const { return environment_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] TimePoint now() const { return environment_.loop.tick().mono; }
  [[nodiscard]] Backoff retry_backoff() const {
    return {options_.retry_backoff, options_.retry_backoff_max};
  }

  /// Fails everything under way and every later request with `why`.
  void close(const Error& why);

  // Requests.

  /// To one server, over that lane, in the highest version both speak. `timeout`: from sending to
  /// the answer; zero is the client's request_timeout. Errors: those of the connection (retriable;
  /// the server may have acted), unsupported_version, no such node (retriable: metadata is asked
  /// for again), malformed answers.
  template <class M>
  void ask(NodeId node, Lane lane, M message, Then<M> then, Duration timeout = {});
  /// To whichever server answers soonest, as far as that is known.
  template <class M>
  void ask_any(M message, Then<M> then, Duration timeout = {});
  /// To the controller; to any server while none is known (nodes then pass it on or say so).
  template <class M>
  void ask_controller(M message, Then<M> then, Duration timeout = {});
  /// Without an answer. Errors: not_connected.
  template <class M>
  Result<void> tell(NodeId node, Lane lane, const M& message);

  /// A lane that nobody else uses; close_lane drops its connections.
  [[nodiscard]] Lane new_lane();
  void close_lane(Lane lane, const Error& why);
  /// Sets up the connection if there is none. True: requests go out at once.
  bool prepare(NodeId node, Lane lane);
  [[nodiscard]] bool is_ready(NodeId node, Lane lane) const;

  // The cluster.

  [[nodiscard]] const ClusterView& cluster() const { return view_; }
  /// Keeps the topic in view, see ClusterView.
  void need(std::string_view topic, bool may_create = true);
  void doubt();
  /// A server named a partition's leader beside an error (KIP-951).
  bool on_leader(std::string_view topic, PartitionId partition, PartitionLeader leader);
  /// `on_change` runs when metadata arrived or a connection became ready or was lost. It may not
  /// remove observers other than itself.
  ObserverId observe(std::move_only_function<void()> on_change);
  void forget(ObserverId id);

  /// Waits for the topic's partitions. Errors: no_such_topic (asked for several times), the
  /// server's own where retrying is useless, timed_out with the last reason.
  void when_topic(std::string_view topic, bool may_create, TimePoint deadline,
                  std::move_only_function<void(Result<void>)> then);
  /// Waits for a first answer with the cluster's metadata. Errors: timed_out with the last reason
  /// of each address tried.
  void when_connected(TimePoint deadline, std::move_only_function<void(Result<void>)> then);

  /// Why servers are not reached, each with its last reason, as ": …; …"; empty when they are.
  [[nodiscard]] std::string failures() const;

  void on_link_ready(Link& link) override;
  void on_link_closed(Link& link, const Error& why) override;

 private:
  struct Key {
    NodeId node;
    Lane lane;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Reach {
    Backoff backoff;
    TimePoint not_before{};
    /// Why it could not be reached, for messages.
    std::string last_failure = {};
  };
  struct Waiter {
    /// Empty: any metadata will do.
    std::string topic;
    TimePoint deadline;
    std::move_only_function<void(Result<void>)> then;
    int unknown_answers = 0;
  };
  struct Observer {
    ObserverId id;
    std::move_only_function<void()> on_change;
  };

  [[nodiscard]] const Endpoint* endpoint_of(NodeId node) const;
  Result<std::shared_ptr<Link>> link_to(NodeId node, Lane lane);
  [[nodiscard]] NodeId any_node();
  [[nodiscard]] NodeId best_of(const std::vector<NodeId>& nodes);
  [[nodiscard]] std::vector<NodeId> known_nodes() const;
  [[nodiscard]] std::vector<NodeId> bootstrap_nodes() const;
  Reach& reach(NodeId node);
  template <class M>
  static Link::Answered decoding(Then<M> then);

  void plan_metadata();
  void ask_metadata();
  void on_metadata(Result<wire::MetadataResponse> answer);
  void drop_moved_nodes();
  void settle_waiters(bool answered);
  /// Nothing: go on waiting.
  [[nodiscard]] std::optional<Result<void>> outcome_for(Waiter& waiter, bool answered);
  [[nodiscard]] std::string last_answer_for(const std::string& topic) const;
  void notify();

  Environment environment_;
  Options options_;
  ClusterView view_;
  std::map<Key, std::shared_ptr<Link>> links_;
  std::map<NodeId, Reach> reach_;
  std::list<Waiter> waiters_;
  std::list<Observer> observers_;
  ObserverId next_observer_ = 1;
  std::uint32_t next_lane_ = 2;
  std::optional<Error> closed_;
  bool has_metadata_ = false;
  TimerId timer_ = 0;
  TimePoint timer_at_ = never;
  TimerId waiters_timer_ = 0;
};

template <class M>
Link::Answered Engine::decoding(Then<M> then) {
  return [then = std::move(then)](Result<ReceivedAnswer> answer) mutable {
    if (!answer) return then(fail(answer.error()));
    then(wire::decode<typename M::Response>(answer->body, answer->version));
  };
}

template <class M>
void Engine::ask(NodeId node, Lane lane, M message, Then<M> then, Duration timeout) {
  auto link = link_to(node, lane);
  if (!link) return then(fail(link.error()));
  (*link)->ask(std::move(message), timeout, decoding<M>(std::move(then)));
}

template <class M>
void Engine::ask_any(M message, Then<M> then, Duration timeout) {
  ask(any_node(), Lane::general, std::move(message), std::move(then), timeout);
}

template <class M>
void Engine::ask_controller(M message, Then<M> then, Duration timeout) {
  const NodeId controller = view_.controller();
  const NodeId node = view_.brokers().contains(controller) ? controller : any_node();
  ask(node, Lane::general, std::move(message), std::move(then), timeout);
}

template <class M>
Result<void> Engine::tell(NodeId node, Lane lane, const M& message) {
  auto link = link_to(node, lane);
  if (!link) return fail(link.error());
  return (*link)->tell(message);
}

}  // namespace dohle::client
