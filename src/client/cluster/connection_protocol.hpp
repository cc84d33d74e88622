#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "auth/sasl_client.hpp"
#include "base/chain.hpp"
#include "base/slice.hpp"
#include "base/time.hpp"
#include "client/cluster/fit_version.hpp"
#include "client/cluster/version_table.hpp"
#include "dohle/error.hpp"
#include "wire/header.hpp"

namespace dohle::client {

/// Actions of a ConnectionProtocol, to be done in their order.
namespace connection_action {
struct Send {
  Chain bytes;
};
/// Requests may be sent: for the first time, or again after a throttle time.
struct Ready {};
/// The answer to the oldest request.
struct Answer {
  wire::Api api;
  std::int16_t version;
  Slice body;
  /// The time from the request to the answer.
  Duration took;
};
/// The server accepts no requests for this time.
struct Throttled {
  Duration time;
};
/// Keys are needed for the login; they go to `on_keys`.
struct Derive {
  auth::SaslClient::NeedKeys keys;
};
/// The connection is unusable and has to be closed. The last action. No answer will come to
/// requests in flight; the server may have acted on them.
struct Close {
  Error why;
};
}  // namespace connection_action

using ConnectionAction =
    std::variant<connection_action::Send, connection_action::Ready, connection_action::Throttled,
                 connection_action::Answer, connection_action::Derive, connection_action::Close>;
using ConnectionActions = std::vector<ConnectionAction>;

/// The error for an answer that cannot be decoded. As after a lost connection, the server may have
/// acted and the connection is unusable.
[[nodiscard]] Error unreadable_answer(const wire::Api& api, const Error& why);

/// The protocol of one connection to a server: chooses versions, matches answers with requests and
/// detects a server that does not answer; logs in (SaslHandshake, SaslAuthenticate), and again
/// before the session's lifetime ends (KIP-368). Servers answer in the order of requests, so a
/// request with a delayed answer (a long poll, a join of a group) needs a connection of its own.
/// Owns no socket, reads no clock. Not thread safe.
class ConnectionProtocol {
 public:
  enum class State : std::uint8_t {
    connecting,
    negotiating,
    authenticating,  ///< the first login; passed at once without one
    ready,
    reauthenticating,  ///< a further login; requests in flight are still answered
    closed,
  };

  struct Options {
    std::string client_id;
    /// Time to set up the connection, including the exchange of versions.
    Duration connect_timeout = std::chrono::seconds(10);
    Duration request_timeout = std::chrono::seconds(30);
    /// Maximum number of unanswered requests; at least 1.
    std::size_t max_in_flight = 100;
    /// Whether frames are encrypted; for messages.
    bool is_over_tls = false;
    /// Whether a server has answered this client without TLS; for messages.
    bool is_known_as_plain = false;
    /// The option that connect_timeout comes from; for messages.
    std::string_view connect_limit = "connect_timeout";
  };
  /// Maximum throttle time; longer ones are cut to it. Quotas throttle for a minute or two at most,
  /// since they are measured over seconds.
  static constexpr Duration max_throttle = std::chrono::minutes(5);
  /// Maximum lifetime of a session; longer ones are cut to it.
  static constexpr std::chrono::milliseconds max_lifetime = std::chrono::hours(24 * 365);

  /// The logins of a connection.
  struct Logins {
    /// Makes each login; empty if there is none.
    std::move_only_function<auth::SaslClient()> begin;
    /// The part of a session's lifetime after which the next login begins: 0.85 to 0.95, at random,
    /// so that connections do not all do it at once.
    double lifetime_used = 0.9;
  };

  ConnectionProtocol(Options options, TimePoint now, Logins logins);
  /// For a connection without a login.
  ConnectionProtocol(Options options, TimePoint now)
      : ConnectionProtocol(std::move(options), now, Logins()) {}

  void on_open(TimePoint now, ConnectionActions& out);
  void on_frame(const Slice& frame, TimePoint now, ConnectionActions& out);
  /// The keys that Derive asked for. Ignored if the connection is closed.
  void on_keys(const auth::ScramKeys& keys, TimePoint now, ConnectionActions& out);
  void on_closed(const Error& why, ConnectionActions& out);
  /// Call at `deadline()` or later.
  void on_time(TimePoint now, ConnectionActions& out);

  /// The time of the next timeout, or `never`. Until the connection is ready it is the end of
  /// connect_timeout, also for a server that accepts the connection but does not answer.
  [[nodiscard]] TimePoint deadline() const;
  [[nodiscard]] State state() const { return state_; }
  /// Whether it is not ready for the first time yet.
  [[nodiscard]] bool is_setting_up() const {
    return state_ == State::connecting || state_ == State::negotiating ||
           state_ == State::authenticating;
  }
  /// Whether the silence or the end of the server may be that of a port that expects TLS: nothing
  /// has answered this client's plain requests yet.
  [[nodiscard]] bool may_meet_tls() const {
    return state_ == State::negotiating && !fell_back_ && !options_.is_over_tls &&
           !options_.is_known_as_plain;
  }
  /// The end of a text about that; empty if it is not so.
  [[nodiscard]] std::string_view tls_hint() const {
    return may_meet_tls() ? "; the port may expect TLS" : "";
  }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }
  /// Whether the server closed it at the first request of a caller, to a client without a login.
  [[nodiscard]] bool was_closed_at_first_request() const { return was_closed_at_first_request_; }
  /// The name of the oldest unanswered request; empty if there is none.
  [[nodiscard]] std::string_view awaited() const;
  /// The time at which the oldest unanswered request was sent; `never` if there is none.
  [[nodiscard]] TimePoint awaited_since() const;
  [[nodiscard]] bool is_throttled() const { return throttled_until_ != never; }
  [[nodiscard]] bool takes_requests() const {
    return state_ == State::ready && !is_throttled() && in_flight_.size() < options_.max_in_flight;
  }
  /// Errors: unsupported_version; not_connected before Ready.
  [[nodiscard]] Result<std::int16_t> version_of(const wire::Api& api,
                                                std::int16_t most = INT16_MAX) const;

  /// Sends a request in the highest version that both sides support. Answers follow in the order
  /// of requests, until Close. `timeout`: time for the answer; 0 means the connection's
  /// request_timeout. Errors: not_connected, limit_reached (also while throttled),
  /// unsupported_version, those of encoding. After an error no request was sent.
  template <class M>
  Result<void> request(const M& message, TimePoint now, ConnectionActions& out,
                       Duration timeout = {});
  /// Sends a request without an answer: Produce with acks 0.
  template <class M>
  Result<void> tell(const M& message, ConnectionActions& out);
  /// An answer had a throttle time (KIP-219): the server does not read from this connection for
  /// that long. No request is sent meanwhile, and requests in flight get that much more time.
  /// (Servers before 2.0 waited before they answered; 2.1 is the oldest supported one.)
  void throttle(Duration time, TimePoint now, ConnectionActions& out);

 private:
  enum class Asker : std::uint8_t {
    user,        ///< a caller of `request`
    connection,  ///< the connection itself, to set itself up
  };
  struct InFlight {
    std::int32_t correlation_id;
    Asker asker;
    wire::Api api;
    std::int16_t version;
    TimePoint sent;
    TimePoint deadline;
  };

  [[nodiscard]] Result<std::int16_t> admit(const wire::Api& api,
                                           std::int16_t most = INT16_MAX) const;
  template <class M>
  Result<void> ask(const M& message, std::int16_t version, Asker asker, TimePoint now,
                   TimePoint deadline, ConnectionActions& out);
  template <class M>
  Result<void> put(const M& message, std::int16_t version, ConnectionActions& out);
  Result<void> put_bytes(Result<Chain> bytes, ConnectionActions& out);
  void negotiate(std::int16_t version, TimePoint now, ConnectionActions& out);
  void on_versions(const Slice& body, std::int16_t asked, TimePoint now, ConnectionActions& out);
  void on_own_answer(const InFlight& asked, const Slice& body, TimePoint now,
                     ConnectionActions& out);
  void authenticate(TimePoint now, ConnectionActions& out);
  void on_handshake(const Slice& body, std::int16_t version, TimePoint now, ConnectionActions& out);
  void on_authenticated(const Slice& body, std::int16_t version, TimePoint now,
                        ConnectionActions& out);
  void on_session(std::int64_t lifetime_ms, TimePoint now);
  void reply(std::string message, TimePoint now, ConnectionActions& out);
  template <class M>
  void ask_for_login(const M& message, TimePoint now, ConnectionActions& out);
  /// "log in as NAME by MECHANISM", for errors.
  [[nodiscard]] std::string login_name() const;
  void become_ready(ConnectionActions& out);
  void end(const Error& why, ConnectionActions& out);

  Options options_;
  State state_ = State::connecting;
  TimePoint connect_deadline_;
  /// `never` if it is not throttled.
  TimePoint throttled_until_ = never;
  std::int32_t next_correlation_id_ = 0;
  bool fell_back_ = false;
  bool was_answered_ = false;
  bool was_closed_at_first_request_ = false;
  Logins logins_;
  /// The login under way.
  std::optional<auth::SaslClient> login_;
  /// The user and mechanism of the first login; later ones have the same.
  std::optional<std::pair<std::string, SaslMechanism>> identity_;
  /// The time of the next login; `never` if the session does not end.
  TimePoint login_at_ = never;
  VersionTable versions_;
  std::deque<InFlight> in_flight_;
};

template <class M>
Result<void> ConnectionProtocol::put(const M& message, std::int16_t version,
                                     ConnectionActions& out) {
  if constexpr (NeedsFitting<M>) {
    M fitting = message;
    if (auto fits = fit_version(fitting, version); !fits) return fits;
    return put_bytes(
        wire::encode_request(next_correlation_id_, options_.client_id, fitting, version), out);
  } else {
    return put_bytes(
        wire::encode_request(next_correlation_id_, options_.client_id, message, version), out);
  }
}

template <class M>
Result<void> ConnectionProtocol::ask(const M& message, std::int16_t version, Asker asker,
                                     TimePoint now, TimePoint deadline, ConnectionActions& out) {
  const std::int32_t correlation_id = next_correlation_id_;
  auto sent = put(message, version, out);
  if (sent) in_flight_.push_back({correlation_id, asker, M::api, version, now, deadline});
  return sent;
}

template <class M>
Result<void> ConnectionProtocol::request(const M& message, TimePoint now, ConnectionActions& out,
                                         Duration timeout) {
  std::int16_t most = M::api.versions.max;
  if constexpr (requires { highest_version(message); }) most = highest_version(message);
  const auto version = admit(M::api, most);
  if (!version) return fail(version.error());
  if (timeout <= Duration::zero()) timeout = options_.request_timeout;
  return ask(message, *version, Asker::user, now, now + timeout, out);
}

template <class M>
Result<void> ConnectionProtocol::tell(const M& message, ConnectionActions& out) {
  const auto version = admit(M::api);
  if (!version) return fail(version.error());
  return put(message, *version, out);
}

}  // namespace dohle::client
