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

/// The connection to a server that a request uses. Servers answer each connection in order, so
/// requests with delayed answers (long polls, joins of a group) have a lane of their own.
enum class ConnectionLane : std::uint32_t { general = 0, produce = 1 };

/// A client's connections, its view of the cluster and its requests to servers. Producer, consumer
/// and admin send their requests through it. They also retry: each request here is sent once.
/// Requests to a server that throttles are queued.
///
/// Loop thread only (or before the loop runs). Each callback runs exactly once on the loop, inside
/// the call if that fails at once.
class Cluster final : public LinkOwner {
 public:
  struct Options {
    /// Resolved each time they are dialled.
    std::vector<Endpoint> bootstrap;
    Link::Options link;
    /// If absent, connections need no login.
    std::optional<SaslOptions> sasl;
    ClusterView::Options view;
    Duration reconnect_backoff = std::chrono::milliseconds(50);
    Duration max_reconnect_backoff = std::chrono::seconds(1);
    /// Delay before producer, consumer or admin retry a request.
    Duration retry_backoff = std::chrono::milliseconds(100);
    Duration max_retry_backoff = std::chrono::seconds(1);
    Duration default_api_timeout = std::chrono::seconds(60);
    /// Default: false. when_connected fails once all bootstrap servers' host names are unknown.
    bool fail_on_unknown_hosts = false;
    /// Whether sent bytes can be read on the way: no TLS, and servers on other machines.
    bool can_be_overheard = false;
    /// Number of unknown_topic answers after which a topic counts as missing. A new topic reaches
    /// all servers of a cluster only after a moment.
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

  /// Later logins use these credentials, which passed Login::check. Servers that refused
  /// the former ones may be asked at once. Connections stay. Errors: configuration (the client was
  /// made without a login).
  Result<void> replace_login(SaslOptions login);

  /// Expires with this object, for work whose end may come later.
  [[nodiscard]] std::weak_ptr<const void> life() const { return life_; }

  /// Fails all pending and all later requests with `why`.
  void close(const Error& why);

  // Requests.

  /// Sends a request to one server over that lane, in the highest version that both support.
  /// `timeout`: from sending to the answer; 0 means the client's request_timeout. Errors: those of
  /// the connection (retriable; the server may have acted), unsupported_version, not_connected for
  /// an unknown node (retriable; metadata is requested again), malformed answers.
  template <class M>
  void ask(NodeId node, ConnectionLane lane, M message, Then<M> then, Duration timeout = {});
  /// The server that is expected to answer soonest. Unreachable servers and those with an overdue
  /// answer come last.
  [[nodiscard]] NodeId any_node();
  /// The controller. Any server while the controller is unknown or has an overdue answer; that
  /// server forwards the request or refuses it.
  [[nodiscard]] NodeId controller();
  /// Sends a request to any_node().
  template <class M>
  void ask_any(M message, Then<M> then, Duration timeout = {});
  /// Sends a request that has no answer. Errors: not_connected.
  template <class M>
  Result<void> tell(NodeId node, ConnectionLane lane, const M& message);

  /// A lane for the caller alone; close_lane closes its connections. Servers may delay its answers
  /// by `may_hold_back` before a late one puts them in doubt; with `for_ever` none does.
  [[nodiscard]] ConnectionLane new_lane(Duration may_hold_back = {});
  static constexpr Duration for_ever = Duration::max();
  void close_lane(ConnectionLane lane, const Error& why);
  /// Cancels the unanswered requests to the server over this lane. They fail as with a lost
  /// connection (retriable; the server may have acted), and their owners send them to the server
  /// that replaced it. The connection is closed.
  void take_back(NodeId node, ConnectionLane lane);
  /// Whether the server cannot be reached or has an overdue answer, so that another one may have
  /// its partitions and groups by now. Observers are notified once a second while it lasts, and
  /// when it ends.
  [[nodiscard]] bool is_in_doubt(NodeId node) const;
  /// Whether the server has an overdue answer. It may be frozen, and requests to it may stay
  /// unanswered until they time out. It is in doubt, too.
  [[nodiscard]] bool owes_answer(NodeId node) const;
  /// Opens the connection if there is none. True if requests are sent at once. Observers are
  /// notified when that changes.
  bool prepare(NodeId node, ConnectionLane lane);
  [[nodiscard]] bool is_ready(NodeId node, ConnectionLane lane) const;
  /// The number of connections that became ready so far. Once it grows, a wait after requests that
  /// reached no server is cut to the shortest one (Options::retry_backoff).
  [[nodiscard]] std::uint64_t times_reached() const { return times_reached_; }

  // For messages about timeouts.

  /// The known reason why a server does not answer: the last failure to reach it, or its oldest
  /// unanswered request. Empty if there is none.
  [[nodiscard]] std::string trouble_with(NodeId node, ConnectionLane lane) const;
  /// The trouble_with of each server in the general lane, after ": "; empty if there is none.
  [[nodiscard]] std::string troubles() const;
  /// The address of a known server; "node" and the id of another one.
  [[nodiscard]] std::string name_of(NodeId node) const;

  // The cluster.

  [[nodiscard]] const ClusterView& view() const { return view_; }
  /// Keeps the topic in view, see ClusterView.
  void need(std::string_view topic, bool may_create);
  /// The same for a reader, until it calls release as often. Nothing may create the topic.
  void hold(std::string_view topic);
  void release(const std::string& topic);
  void doubt();
  /// A server named a partition's leader together with an error (KIP-951).
  bool on_leader(std::string_view topic, PartitionId partition, PartitionLeader leader);
  /// `on_change` runs after metadata arrived and after a connection became ready (also after a
  /// throttle time) or was lost. It may add and remove observers.
  ObserverId observe(std::move_only_function<void()> on_change);
  void forget(ObserverId id);

  /// Names a wait until its `then` was called.
  using WaitId = std::uint64_t;
  /// Waits for the topic's partitions, and keeps the topic in view once they are known. Errors:
  /// no_such_topic after max_unknown_answers, the server's if it is not retriable, timed_out with
  /// the last reason.
  WaitId when_topic(std::string_view topic, bool may_create, TimePoint deadline,
                    std::move_only_function<void(Result<void>)> then);
  /// The same of a topic that the caller holds.
  void when_held_topic(std::string_view topic, TimePoint deadline,
                       std::move_only_function<void(Result<void>)> then);
  /// Waits for the first metadata. Errors name the failure of each address tried: timed_out;
  /// name_not_resolved with fail_on_unknown_hosts.
  WaitId when_connected(TimePoint deadline, std::move_only_function<void(Result<void>)> then);
  /// Ends the wait as its deadline would. No effect on one that has ended.
  void expire_wait(WaitId id);

  void on_link_ready(Link& link) override;
  void on_link_throttled(Link& link, Duration time) override;
  Error on_link_closed(Link& link, const Error& how) override;

 private:
  struct Key {
    NodeId node;
    ConnectionLane lane;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  /// Time between two logins after a refused one, per address: a password is not guessed at
  /// speed.
  static constexpr Duration min_refusal_backoff = std::chrono::milliseconds(1'250);
  static constexpr Duration max_refusal_backoff = std::chrono::seconds(10);
  /// Connections without a login that a server closes at their first request before it counts as
  /// one that needs a login. One alone may end for another reason.
  static constexpr int max_closed_at_first_request = 3;
  /// The last failed login or TLS handshake at an address. Several nodes and lanes may have one
  /// address. Requests fail with it until `not_before`, and while a further attempt is under way.
  struct Refused {
    Error why;
    Backoff backoff{min_refusal_backoff, max_refusal_backoff};
    TimePoint not_before{};
  };
  struct Reach {
    Backoff backoff;
    TimePoint not_before{};
    /// A request to it timed out, and it has not been reached since.
    bool is_silent = false;
    /// The time of the last lost or failed connection.
    TimePoint failed_at{};
    /// The last failure to reach it, for messages.
    std::string last_failure = {};
    bool is_unknown_host = false;
    /// A connection to it has been ready.
    bool was_reached = false;
    /// Number of answers with a throttle time (KIP-219), and the time from which the next one is
    /// logged.
    std::uint64_t throttled = 0;
    TimePoint throttle_quiet_until{};
  };
  /// An address that cannot be reached, and the time from which the next failure is logged.
  struct Unreached {
    std::uint64_t attempts = 0;
    /// The number in the last log line.
    std::uint64_t told = 0;
    TimePoint quiet_until{};
  };
  struct Waiter {
    /// If absent, it waits for any metadata.
    std::optional<std::string> topic;
    TimePoint deadline;
    std::move_only_function<void(Result<void>)> then;
    /// Whether the topic is needed once it is known.
    bool needs_it = true;
    WaitId id = 0;
    int unknown_answers = 0;
  };
  struct Observer {
    ObserverId id;
    std::move_only_function<void()> on_change;
    bool is_forgotten = false;
  };

  [[nodiscard]] const Endpoint* endpoint_of(NodeId node) const;
  /// `why`, or a failed login if the server has closed several connections at their first request.
  [[nodiscard]] Error unless_login_is_missing(const Link& link, const Error& why);
  void note_refusal(const Endpoint& address, const Error& why);
  /// Null if a connection to that address may be made now.
  [[nodiscard]] const Error* refusal_of(const Endpoint& address) const;
  /// The time from which a connection to the node may be made.
  [[nodiscard]] TimePoint dialable_from(NodeId node);
  /// The node of a link in use, else none.
  [[nodiscard]] NodeId node_of(const Link& link) const;
  Result<std::shared_ptr<Link>> link_to(NodeId node, ConnectionLane lane);
  /// The time of its last failure or overdue answer, unless it was reached since. TimePoint::min()
  /// if it is not in doubt.
  [[nodiscard]] TimePoint doubted_at(NodeId node) const;
  /// A server that was lost, or that a request needs and that cannot be reached, may have lost its
  /// partitions. Metadata is requested.
  void doubt_unreached(NodeId node);
  /// Whether a request needs a server that cannot be reached. Other servers may have its
  /// partitions, which a controller announces only after a while.
  [[nodiscard]] bool wants_unreached() const;
  /// The time from which the server's answer on this link is overdue; `never` without a pending
  /// answer, or if the server may delay it.
  [[nodiscard]] TimePoint late_at(const Key& key, const Link& link) const;
  [[nodiscard]] bool is_late(const Key& key, const Link& link) const {
    return late_at(key, link) <= environment_.loop.tick().mono;
  }
  void watch_silence(TimePoint at);
  void look_for_silence();
  /// How long servers may delay answers on this lane. Produce requests wait for replicas; where
  /// these are slow, the doubt does no harm.
  [[nodiscard]] Duration may_hold_back(ConnectionLane lane) const;
  [[nodiscard]] NodeId best_of(const std::vector<NodeId>& nodes);
  [[nodiscard]] std::vector<NodeId> known_nodes() const;
  [[nodiscard]] std::vector<NodeId> bootstrap_nodes() const;
  Reach& reach(NodeId node);
  template <class M>
  Link::Answered decoding(Then<M> then);
  /// Logs once per address that an answer had bytes after its last field.
  void note_trailing_bytes(const Link& link, const wire::Api& api, std::int16_t version);

  void plan_metadata();
  void ask_metadata();
  void on_metadata(std::uint64_t question, Result<wire::MetadataResponse> answer);
  /// The server that was asked for metadata is slow, so another one is asked too.
  void on_metadata_late(std::uint64_t question);
  void drop_moved_nodes();
  void settle_waiters(bool answered);
  void let_go(const std::string& topic);
  /// The topic's error in the last answer, after "; last: "; empty if there is none.
  [[nodiscard]] std::string last_word_on(std::string_view topic) const;
  [[nodiscard]] bool knows_no_host() const;
  void warn_of_unreached(const Link& link, std::string_view why);
  void say_how_often_in_vain();
  /// The addition to a failure to reach a server whose address came only from the cluster.
  [[nodiscard]] std::string_view note_on_advertised(NodeId node, const Link& link) const;
  void warn_of_lost_topics(const wire::MetadataResponse& answer);
  /// If absent, the waiter keeps waiting.
  [[nodiscard]] std::optional<Result<void>> outcome_for(Waiter& waiter, bool answered);
  void notify();
  /// Removes the observers that were forgotten, once no call of notify is under way.
  void erase_forgotten();

  const std::shared_ptr<const void> life_ = std::make_shared<int>();
  ClientEnvironment environment_;
  Options options_;
  std::optional<Login> login_;
  ClusterView view_;
  std::map<Key, std::shared_ptr<Link>> links_;
  std::map<NodeId, Reach> reach_;
  std::map<Endpoint, Refused> refused_;
  std::map<std::string, Unreached> unreached_;
  std::uint64_t times_reached_ = 0;
  /// Addresses whose bytes after the last field were logged, at most max_told_of.
  std::set<std::string> told_of_trailing_bytes_;
  std::list<Waiter> waiters_;
  WaitId last_wait_ = 0;
  std::list<Observer> observers_;
  /// The number of calls of notify that are under way, one inside the other.
  int notifying_ = 0;
  ObserverId next_observer_ = 1;
  std::uint32_t next_lane_ = 2;
  /// Lanes on which servers may delay answers, and for how long.
  std::map<ConnectionLane, Duration> holding_lanes_;
  std::optional<Error> closed_;
  bool has_metadata_ = false;
  /// Connections in a row that were closed at their first request, before the first metadata.
  int closed_at_first_request_ = 0;
  /// The failure of the last metadata request.
  std::optional<Error> metadata_failure_;
  /// Metadata requests are numbered. Of several answers the one to the latest request counts.
  std::uint64_t last_question_ = 0;
  std::uint64_t last_answered_ = 0;
  TimerId patience_timer_ = 0;
  TimerId timer_ = 0;
  TimePoint timer_at_ = never;
  TimerId waiters_timer_ = 0;
  TimerId silence_timer_ = 0;
  TimePoint silence_at_ = never;
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
Result<void> Cluster::tell(NodeId node, ConnectionLane lane, const M& message) {
  auto link = link_to(node, lane);
  if (!link) return fail(link.error());
  return (*link)->tell(message);
}

}  // namespace dohle::client
