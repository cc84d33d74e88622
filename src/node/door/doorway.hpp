#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "base/connection.hpp"
#include "base/executor.hpp"
#include "base/slice.hpp"
#include "dohle/error.hpp"
#include "dohle/security_protocol.hpp"
#include "node/door/authentication.hpp"
#include "node/door/newcomers.hpp"
#include "node/door/request_faults.hpp"
#include "node/door/request_room.hpp"
#include "node/door/sessions.hpp"
#include "node/lines.hpp"
#include "node/security/password_checks.hpp"
#include "node/security/principal_rules.hpp"
#include "node/security/users.hpp"

namespace dohle::node {

/// A listener to be started.
struct ListenAt {
  std::string name;
  Endpoint at;
  /// The address that clients of this listener are told. An empty host stands for the listening
  /// address, port 0 for the listening port.
  Endpoint advertise = {};
  SecurityProtocol protocol = SecurityProtocol::plaintext;
  /// As Way::rules.
  std::optional<PrincipalRules> rules = {};
};

/// Events of the doorway's sessions. A session is never destroyed inside one of these calls.
class DoorwayEvents {
 public:
  /// A whole request arrived.
  virtual void on_request(Session& session, Slice frame) = 0;
  /// The number of unread answer bytes may have changed.
  virtual void on_answers(Session& session) = 0;
  /// The session closes: its work stops.
  virtual void on_gone(Session& session) = 0;

 protected:
  ~DoorwayEvents() = default;
};

/// The node's entrance: listeners, their sessions, and the memory of requests that are not served
/// yet. On the node's thread.
class Doorway {
 public:
  struct Options {
    std::size_t max_connections = 0;
    /// Source of this limit, for the line about a rejected connection.
    std::string connections_bound;
    std::size_t max_request_bytes = 0;
    std::size_t max_requests_bytes = 0;
    Authentication::Options logins = {};
    /// Null but in tests. Outlives the doorway.
    RequestFaults* faults = nullptr;
  };
  /// The parts that logins need.
  struct Logins {
    const Users& users;
    PasswordChecks& checks;
    SecureRandom& random;
  };

  /// All arguments outlive it.
  Doorway(DoorwayEvents& events, Executor& loop, Lines& lines, Logins logins, Options options);
  ~Doorway();
  Doorway(const Doorway&) = delete;
  Doorway& operator=(const Doorway&) = delete;

  /// Accepts connections at `where`, as one more way. Returns the address that it listens at.
  Result<Endpoint> listen(Listening& listening, ListenAt where);
  /// Accepts no further connections and reads no further requests.
  void drain();
  /// All requests are answered, and the answers are written.
  [[nodiscard]] bool is_idle() const;
  /// Closes all connections at once.
  void close_all();

  [[nodiscard]] const Sessions& sessions() const { return sessions_; }
  void check_invariants() const;

  // Sessions call the following functions.
  [[nodiscard]] DoorwayEvents& events() { return events_; }
  /// Connections that have not logged in share a small room of their own, so that they cannot
  /// take that of the others.
  [[nodiscard]] RequestRoom& room(bool is_newcomer) {
    return is_newcomer ? newcomers_room_ : room_;
  }
  [[nodiscard]] TimePoint now() const { return loop_.tick().mono; }
  [[nodiscard]] std::unique_ptr<Authentication> new_authentication();
  /// Calls Session::on_password_checked later. `is_known`: the session is logged in already.
  void check_password(Session& session, ServedLogin::Check check, bool is_known);
  void on_authenticated(Session& session);
  /// Its handshake is done, or it has none.
  void on_opened(Session& session);
  /// Logs the reason, and calls Session::end_refusal after a pause.
  void refuse_later(Session& session, const std::string& why);
  void complain_of(const Session& session, const std::string& why);
  void on_session_closed(Session& session, const Error& why);
  /// A session is never destroyed inside one of its own callbacks.
  void forget_later(Session& session);
  void free_later(std::uint64_t session);

 private:
  /// One listener with its way; accepts its connections.
  struct Entrance final : Acceptor {
    Entrance(Doorway& owner, Way as) : doorway(owner), way(std::move(as)) {}
    ConnectionEvents* on_accept(std::unique_ptr<Connection> connection) override;
    Doorway& doorway;
    Way way;
    std::unique_ptr<Listener> listener;
  };

  ConnectionEvents* accept(std::unique_ptr<Connection> connection, const Way& way);
  void add_newcomer(std::uint64_t session, const std::string& peer);
  void close_excess_newcomer();
  void watch_newcomers();
  void close_overdue_newcomers();

  DoorwayEvents& events_;
  Executor& loop_;
  Lines& lines_;
  const Logins logins_;
  const Options options_;
  std::list<std::unique_ptr<Entrance>> entrances_;
  Sessions sessions_;
  RequestRoom room_;
  RequestRoom newcomers_room_;
  std::uint64_t last_session_ = 0;
  /// Sessions in a handshake of TLS, and those that have not logged in where a login is needed,
  /// with the time at which each closes.
  Newcomers newcomers_;
  TimerId newcomers_timer_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
