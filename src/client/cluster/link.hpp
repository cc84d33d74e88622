#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/connection.hpp"
#include "client/cluster/client_environment.hpp"
#include "client/cluster/connection_protocol.hpp"
#include "client/cluster/login.hpp"

namespace dohle::client {

/// An answer before it is decoded.
struct ReceivedAnswer {
  std::int16_t version = 0;
  Slice body;
};

class Link;

/// Receives the events of links. Loop thread.
class LinkOwner {
 public:
  virtual ~LinkOwner() = default;
  virtual void on_link_ready(Link& link) = 0;
  /// The server accepts no requests over this link for `time`.
  virtual void on_link_throttled(Link& link, Duration time) = 0;
  /// The link is closed. Called before its requests fail, with the error that it returns.
  virtual Error on_link_closed(Link& link, const Error& why) = 0;
};

/// A connection to a server with its ConnectionProtocol, whose actions it performs, and the
/// requests that wait until it is ready. Loop thread only.
class Link final : public ConnectionEvents, public std::enable_shared_from_this<Link> {
 public:
  using Answered = std::move_only_function<void(Link&, Result<ReceivedAnswer>)>;
  /// Maximum number of requests that wait until the connection is ready.
  static constexpr std::size_t max_waiting = 1'000;

  struct Options {
    ConnectionProtocol::Options protocol;
    ConnectionLimits limits;
    /// No connection is set up after it.
    std::optional<Timestamp> connect_deadline = {};
  };

  /// `login` is null without authentication. All but `to` outlive the link.
  Link(const ClientEnvironment& environment, const Options& options, Login* login, LinkOwner& owner,
       Endpoint to);
  ~Link() override;

  /// Connects at `at`; requests may be made before.
  void dial_at(TimePoint at);
  /// Sends the request at once or when the connection is ready. `then` is called exactly once, on
  /// the loop, with the answer or an error; inside this call only if that fails at once. After an
  /// error the server may have acted on the request. `timeout`: from sending to the answer; 0 means
  /// the connection's request_timeout.
  template <class M>
  void ask(M message, Duration timeout, Answered then);
  /// Sends a request that servers do not answer. Errors: as ConnectionProtocol::tell.
  template <class M>
  Result<void> tell(const M& message);

  /// Whether requests are sent at once, up to max_in_flight.
  [[nodiscard]] bool is_ready() const {
    return protocol_ && protocol_->state() == State::ready && !protocol_->is_throttled();
  }
  [[nodiscard]] bool was_ready() const { return was_ready_; }
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  /// As ConnectionProtocol has it.
  [[nodiscard]] bool was_closed_at_first_request() const {
    return protocol_ && protocol_->was_closed_at_first_request();
  }
  [[nodiscard]] const Endpoint& endpoint() const { return to_; }
  /// Number of unanswered requests, including waiting ones.
  [[nodiscard]] std::size_t load() const { return asked_.size() + waiting_.size(); }
  /// The time at which the oldest unanswered request was sent; `never` if there is none.
  [[nodiscard]] TimePoint awaited_since() const {
    return protocol_ ? protocol_->awaited_since() : never;
  }
  /// Whether it is being set up, from dialling to the exchange of versions.
  [[nodiscard]] bool is_setting_up() const;
  /// The time since which the server has not answered the setup or the oldest request; `never`
  /// without such a request or while it throttles this client.
  [[nodiscard]] TimePoint silent_since() const;
  /// The last answer had a throttle time.
  void throttle(Duration time);
  /// A phrase for messages about the awaited answer; empty if there is none.
  [[nodiscard]] std::string trouble() const;
  /// The last answer cannot be decoded, so later ones cannot be either. Fails `then`, whose answer
  /// it was, and all other requests, and closes the connection.
  void give_up(Answered then, const Error& why);
  /// Fails all requests and closes without telling the owner.
  void close(const Error& why);

  void on_open() override;
  Admission on_frame_length(std::size_t bytes) override;
  void on_frame(Slice frame) override;
  void on_closed(Error why) override;

 private:
  using State = ConnectionProtocol::State;
  using Waiting = std::move_only_function<void(Link&, Result<void>)>;

  void dial();
  /// The time left to set up a connection; 0 after connect_deadline.
  [[nodiscard]] Duration setup_time() const;
  void apply(ConnectionActions& actions);
  [[nodiscard]] ConnectionProtocol::Logins logins();
  void derive(const auth::SaslClient::NeedKeys& need);
  void become_ready();
  void send_waiting();
  void end(const Error& why);
  void fail_all(const Error& why);
  /// `why`, or a retriable error if it is the refusal of credentials that were replaced meanwhile.
  [[nodiscard]] Error unless_replaced(const Error& why) const;
  /// Adds the address in front of the message, unless it is there.
  [[nodiscard]] Error here(const Error& why) const;
  void watch_deadline();
  void on_time();
  [[nodiscard]] TimePoint now() const { return environment_.loop.tick().mono; }
  template <class M>
  void put(const M& message, Duration timeout, Answered then);

  const ClientEnvironment& environment_;
  const Options& options_;
  Login* const login_;
  /// The version of the credentials with which the last login began.
  std::uint64_t login_version_ = 0;
  LinkOwner& owner_;
  Endpoint to_;
  std::unique_ptr<ConnectionProtocol> protocol_;
  std::unique_ptr<Connection> connection_;
  /// The unanswered requests, in the order of their answers.
  std::deque<Answered> asked_;
  std::deque<Waiting> waiting_;
  TimePoint dialled_at_{};
  bool was_ready_ = false;
  bool is_closed_ = false;
  TimerId timer_ = 0;
  TimePoint timer_at_ = never;
};

template <class M>
void Link::ask(M message, Duration timeout, Answered then) {
  if (is_closed_) {
    return then(*this,
                fail(here(Error::client(Errc::connection_lost, "the connection is closed"))));
  }
  if (protocol_ && protocol_->takes_requests() && waiting_.empty()) {
    return put(message, timeout, std::move(then));
  }
  if (waiting_.size() >= max_waiting) {
    return then(*this,
                fail(Error::client(Errc::limit_reached,
                                   "1000 requests wait for the connection to " + to_.to_string())));
  }
  waiting_.push_back([message = std::move(message), timeout, then = std::move(then)](
                         Link& link, Result<void> outcome) mutable {
    if (!outcome) return then(link, fail(outcome.error()));
    link.put(message, timeout, std::move(then));
  });
}

template <class M>
void Link::put(const M& message, Duration timeout, Answered then) {
  ConnectionActions actions;
  auto sent = protocol_->request(message, now(), actions, timeout);
  if (!sent) return then(*this, fail(here(sent.error())));
  asked_.push_back(std::move(then));
  apply(actions);
}

template <class M>
Result<void> Link::tell(const M& message) {
  if (!is_ready()) {
    return fail(here(Error::client(Errc::not_connected, "the connection is not ready")));
  }
  ConnectionActions actions;
  auto sent = protocol_->tell(message, actions);
  apply(actions);
  if (!sent) return fail(here(sent.error()));
  return sent;
}

}  // namespace dohle::client
