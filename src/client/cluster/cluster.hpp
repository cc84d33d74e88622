#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/cluster/backoff.hpp"
#include "client/cluster/client_environment.hpp"
#include "client/cluster/cluster_view.hpp"
#include "client/cluster/link.hpp"
#include "wire/frame_body.hpp"

namespace dohle::client {

/// Which of the connections to a server a request takes. Servers answer each connection in order,
/// so whatever may be held back (long polls, joining a group) has a lane of its own.
enum class ConnectionLane : std::uint32_t { general = 0, produce = 1 };

/// What a Client is made of: connections, what is known of the cluster, and requests to its
/// servers. Producer, consumer and admin put their requests through it. Retries are theirs: a
/// request here is sent once. Requests to a server that throttles wait in front of it.
///
/// Loop thread only (or before the loop runs). Callbacks run on the loop, each exactly once,
/// possibly from within the call when it fails at once.
class Cluster final : public LinkOwner {
 public:
  struct Options {
    /// Resolved each time they are dialled.
    std::vector<Endpoint> bootstrap;
    Link::Options link;
    ClusterView::Options view;
    Duration reconnect_backoff = std::chrono::milliseconds(50);
    Duration max_reconnect_backoff = std::chrono::seconds(1);
    /// For the users of the cluster: wait before a request is tried again.
    Duration retry_backoff = std::chrono::milliseconds(100);
    Duration max_retry_backoff = std::chrono::seconds(1);
    Duration default_api_timeout = std::chrono::seconds(60);
    /// For when_connected: none of the bootstrap servers' hosts exists.
    bool fail_on_unknown_hosts = false;
    /// Answers that do not know a topic before it counts as missing: one that was just made takes a
    /// moment to be known to every server of a cluster.
    int max_unknown_answers = 5;
  };
  template <class M>
  using Then = std::move_only_function<void(Result<typename M::Response>)>;
  using ObserverId = std::uint64_t;

  Cluster(ClientEnvironment environment, Options options);
  ~Cluster() override;
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] const ClientEnvironment& environment() const { return environment_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] TimePoint now() const { return environment_.loop.tick().mono; }
  [[nodiscard]] Backoff retry_backoff() const {
    return {options_.retry_backoff, options_.max_retry_backoff};
  }

  /// Fails everything under way and every later request with `why`.
  void close(const Error& why);

  // Requests.

  /// To one server, over that lane, in the highest version both speak. `timeout`: from sending to
  /// the answer; zero is the client's request_timeout. Errors: those of the connection (retriable;
  /// the server may have acted), unsupported_version, no such node (retriable: metadata is asked
  /// for again), malformed answers.
  template <class M>
  void ask(NodeId node, ConnectionLane lane, M message, Then<M> then, Duration timeout = {});
  /// Whichever server answers soonest, as far as that is known. Servers that cannot be reached, and
  /// those with a request past its time, come last.
  [[nodiscard]] NodeId any_node();
  /// To any_node().
  template <class M>
  void ask_any(M message, Then<M> then, Duration timeout = {});
  /// To the controller; to any server while none is known (nodes then pass it on or say so).
  template <class M>
  void ask_controller(M message, Then<M> then, Duration timeout = {});
  /// Without an answer. Errors: not_connected.
  template <class M>
  Result<void> tell(NodeId node, ConnectionLane lane, const M& message);

  /// A lane that nobody else uses; close_lane drops its connections. `holds_back`: servers may hold
  /// its requests back, so an answer that takes long says nothing about the server.
  [[nodiscard]] ConnectionLane new_lane(bool holds_back = false);
  void close_lane(ConnectionLane lane, const Error& why);
  /// Takes back what the server was asked over this lane and has not answered: the requests fail as
  /// with a lost connection (retriable; the server may have acted), and their owners send them to
  /// the server that took its place. The connection is dropped.
  void take_back(NodeId node, ConnectionLane lane);
  /// The server cannot be reached, or owes an answer for longer than it should: another one may
  /// have its partitions and groups by now. Observers hear of it once a second while it lasts, and
  /// when it ends.
  [[nodiscard]] bool is_in_doubt(NodeId node) const;
  /// Sets up the connection if there is none. True: requests go out at once. Observers hear when
  /// that changes.
  bool prepare(NodeId node, ConnectionLane lane);
  [[nodiscard]] bool is_ready(NodeId node, ConnectionLane lane) const;

  // For messages about time that ran out.

  /// What keeps a server from answering, as far as it is known: the last failure to reach it, or
  /// what it has not answered yet. Empty: nothing.
  [[nodiscard]] std::string trouble_with(NodeId node, ConnectionLane lane) const;
  /// That of each server in the general lane, with ": " in front; empty: of none.
  [[nodiscard]] std::string troubles() const;
  /// Of a server that may be asked; for one that is gone, its id.
  [[nodiscard]] std::string name_of(NodeId node) const;

  // The cluster.

  [[nodiscard]] const ClusterView& view() const { return view_; }
  /// Keeps the topic in view, see ClusterView.
  void need(std::string_view topic, bool may_create);
  void doubt();
  /// A server named a partition's leader beside an error (KIP-951).
  bool on_leader(std::string_view topic, PartitionId partition, PartitionLeader leader);
  /// `on_change` runs when metadata arrived or a connection became ready, also again after a
  /// throttle time, or was lost. It may not remove observers other than itself.
  ObserverId observe(std::move_only_function<void()> on_change);
  void forget(ObserverId id);

  /// Waits for the topic's partitions, and keeps it in view once they are there. Errors:
  /// no_such_topic (asked for several times), the server's own where retrying is useless, timed_out
  /// with the last reason.
  void when_topic(std::string_view topic, bool may_create, TimePoint deadline,
                  std::move_only_function<void(Result<void>)> then);
  /// Waits for a first answer with the cluster's metadata. Errors, with what was wrong with each
  /// address tried: timed_out; name_not_resolved with fail_on_unknown_hosts.
  void when_connected(TimePoint deadline, std::move_only_function<void(Result<void>)> then);

  void on_link_ready(Link& link) override;
  void on_link_throttled(Link& link, Duration time) override;
  void on_link_closed(Link& link, const Error& why) override;

 private:
  struct Key {
    NodeId node;
    ConnectionLane lane;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Reach {
    Backoff backoff;
    TimePoint not_before{};
    /// A request to it ran out of time, and nothing has been heard of it since.
    bool is_silent = false;
    /// When it was last lost, or not reached.
    TimePoint failed_at{};
    /// Why it could not be reached, for messages.
    std::string last_failure = {};
    bool is_unknown_host = false;
    /// A connection to it was ready once.
    bool was_reached = false;
    /// Answers that asked for a wait (KIP-219), and when they may be logged again.
    std::uint64_t throttled = 0;
    TimePoint throttle_quiet_until{};
  };
  /// An address that does not let us connect, and when that may be logged again.
  struct Unreached {
    std::uint64_t attempts = 0;
    /// As the last line said.
    std::uint64_t told = 0;
    TimePoint quiet_until{};
  };
  struct Waiter {
    /// Nothing: any metadata will do.
    std::optional<std::string> topic;
    TimePoint deadline;
    std::move_only_function<void(Result<void>)> then;
    int unknown_answers = 0;
  };
  struct Observer {
    ObserverId id;
    std::move_only_function<void()> on_change;
  };

  [[nodiscard]] const Endpoint* endpoint_of(NodeId node) const;
  /// Of a link in use.
  [[nodiscard]] NodeId node_of(const Link& link) const;
  Result<std::shared_ptr<Link>> link_to(NodeId node, ConnectionLane lane);
  /// When it could not be reached, or a request to it ran past its time, unless it was reached
  /// since; TimePoint::min(): there is no doubt about it.
  [[nodiscard]] TimePoint doubted_at(NodeId node) const;
  /// A server that went away, or that somebody wants and that could not be reached, may have given
  /// up its partitions.
  void doubt_unreached(NodeId node);
  /// Somebody wants to reach a server that cannot be reached: perhaps others have its partitions,
  /// and a controller takes its time to say so.
  [[nodiscard]] bool wants_unreached() const;
  /// From when on the server owes an answer on this link for longer than it should; `never`: it
  /// owes none, or may hold it back.
  [[nodiscard]] TimePoint late_at(const Key& key, const Link& link) const;
  [[nodiscard]] bool is_late(const Key& key, const Link& link) const {
    return late_at(key, link) <= environment_.loop.tick().mono;
  }
  void watch_silence(TimePoint at);
  void look_for_silence();
  /// Servers may take long to answer: a produce request waits for replicas, too.
  [[nodiscard]] bool holds_back(ConnectionLane lane) const {
    return lane == ConnectionLane::produce || holding_lanes_.contains(lane);
  }
  [[nodiscard]] NodeId best_of(const std::vector<NodeId>& nodes);
  [[nodiscard]] std::vector<NodeId> known_nodes() const;
  [[nodiscard]] std::vector<NodeId> bootstrap_nodes() const;
  Reach& reach(NodeId node);
  template <class M>
  Link::Answered decoding(Then<M> then);
  /// An answer had bytes behind its last field: says so once for each address.
  void note_trailing_bytes(const Link& link, const wire::Api& api, std::int16_t version);

  void plan_metadata();
  void ask_metadata();
  void on_metadata(std::uint64_t question, Result<wire::MetadataResponse> answer);
  /// The server that was asked for metadata is slow: asks another one, too.
  void on_metadata_late(std::uint64_t question);
  void drop_moved_nodes();
  void settle_waiters(bool answered);
  void let_go(const std::string& topic);
  /// What the last answer said against the topic, with "; last: " in front; empty: nothing.
  [[nodiscard]] std::string last_word_on(std::string_view topic) const;
  [[nodiscard]] bool knows_no_host() const;
  void warn_of_unreached(const Link& link, std::string_view why);
  void say_how_often_in_vain();
  /// What follows the failure to reach a server whose address came from the cluster alone.
  [[nodiscard]] std::string_view note_on_advertised(NodeId node, const Link& link) const;
  void warn_of_lost_topics(const wire::MetadataResponse& answer);
  /// Nothing: go on waiting.
  [[nodiscard]] std::optional<Result<void>> outcome_for(Waiter& waiter, bool answered);
  void notify();

  ClientEnvironment environment_;
  Options options_;
  ClusterView view_;
  std::map<Key, std::shared_ptr<Link>> links_;
  std::map<NodeId, Reach> reach_;
  std::map<std::string, Unreached> unreached_;
  /// Addresses whose bytes behind the last field were told of, max_told_of at most.
  std::set<std::string> told_of_trailing_bytes_;
  std::list<Waiter> waiters_;
  std::list<Observer> observers_;
  ObserverId next_observer_ = 1;
  std::uint32_t next_lane_ = 2;
  std::set<ConnectionLane> holding_lanes_;
  std::optional<Error> closed_;
  bool has_metadata_ = false;
  /// Why the last question for metadata was in vain.
  std::optional<Error> metadata_failure_;
  /// Questions for metadata are numbered: of several answers the one to the latest question counts.
  std::uint64_t last_question_ = 0;
  std::uint64_t last_answered_ = 0;
  TimerId patience_timer_ = 0;
  TimerId timer_ = 0;
  TimePoint timer_at_ = never;
  TimerId waiters_timer_ = 0;
  TimerId silence_timer_ = 0;
  bool was_silent_ = false;
};

template <class M>
Link::Answered Cluster::decoding(Then<M> then) {
  return [this, then = std::move(then)](Link& link, Result<ReceivedAnswer> answer) mutable {
    if (!answer) return then(fail(answer.error()));
    auto decoded = wire::decode_frame_body<typename M::Response>(answer->body, answer->version);
    if (!decoded) {
      return link.give_up(
          [then = std::move(then)](Link&, const Result<ReceivedAnswer>& none) mutable {
            then(fail(none.error()));
          },
          unreadable_answer(M::api, decoded.error()));
    }
    if (decoded->has_more) note_trailing_bytes(link, M::api, answer->version);
    if constexpr (requires { decoded->message.throttle_time_ms; }) {
      if (decoded->message.throttle_time_ms > 0) {
        link.throttle(std::chrono::milliseconds(decoded->message.throttle_time_ms));
      }
    }
    then(std::move(decoded->message));
  };
}

template <class M>
void Cluster::ask(NodeId node, ConnectionLane lane, M message, Then<M> then, Duration timeout) {
  auto link = link_to(node, lane);
  if (!link) return then(fail(link.error()));
  (*link)->ask(std::move(message), timeout, decoding<M>(std::move(then)));
}

template <class M>
void Cluster::ask_any(M message, Then<M> then, Duration timeout) {
  ask(any_node(), ConnectionLane::general, std::move(message), std::move(then), timeout);
}

template <class M>
void Cluster::ask_controller(M message, Then<M> then, Duration timeout) {
  const NodeId controller = view_.controller();
  const NodeId node = view_.brokers().contains(controller) ? controller : any_node();
  ask(node, ConnectionLane::general, std::move(message), std::move(then), timeout);
}

template <class M>
Result<void> Cluster::tell(NodeId node, ConnectionLane lane, const M& message) {
  auto link = link_to(node, lane);
  if (!link) return fail(link.error());
  return (*link)->tell(message);
}

}  // namespace dohle::client
