#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/connection.hpp"
#include "client/cluster/client_environment.hpp"
#include "client/cluster/connection_protocol.hpp"

namespace dohle::client {

/// An answer before it is decoded.
struct ReceivedAnswer {
  std::int16_t version = 0;
  Slice body;
};

class Link;

/// Told of what becomes of links. Loop thread.
class LinkOwner {
 public:
  virtual ~LinkOwner() = default;
  virtual void on_link_ready(Link& link) = 0;
  /// The server wants no requests over this link for so long.
  virtual void on_link_throttled(Link& link, Duration time) = 0;
  /// The link is of no further use. Comes before its requests fail.
  virtual void on_link_closed(Link& link, const Error& why) = 0;
};

/// A connection to a server with its ConnectionProtocol, and the requests that wait for it to be
/// ready. Puts the core's decisions into effect. Loop thread only.
class Link final : public ConnectionEvents, public std::enable_shared_from_this<Link> {
 public:
  using Answered = std::move_only_function<void(Link&, Result<ReceivedAnswer>)>;
  /// Requests that wait until the connection is ready, at most.
  static constexpr std::size_t max_waiting = 1'000;

  struct Options {
    ConnectionProtocol::Options core;
    ConnectionLimits limits;
  };

  Link(const ClientEnvironment& environment, const Options& options, LinkOwner& owner, Endpoint to);
  ~Link() override;

  /// Connects at `at`; requests may be made before.
  void dial_at(TimePoint at);
  /// Sends the request, at once or when the connection is ready. `then` is called exactly once, on
  /// the loop, never from within this call unless it fails at once: with the answer, or with why
  /// there is none (then the server may have acted on it). `timeout`: from sending to the answer;
  /// zero is the connection's own.
  template <class M>
  void ask(M message, Duration timeout, Answered then);
  /// For requests that servers do not answer. Errors: as ConnectionProtocol::tell.
  template <class M>
  Result<void> tell(const M& message);

  /// Requests go out at once, as far as they are not too many.
  [[nodiscard]] bool is_ready() const {
    return core_ && core_->state() == State::ready && !core_->is_throttled();
  }
  [[nodiscard]] bool was_ready() const { return was_ready_; }
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  [[nodiscard]] const Endpoint& endpoint() const { return to_; }
  /// Requests without an answer, waiting ones included.
  [[nodiscard]] std::size_t load() const { return asked_.size() + waiting_.size(); }
  /// When the oldest request without an answer was sent; `never` when there is none.
  [[nodiscard]] TimePoint awaited_since() const { return core_ ? core_->awaited_since() : never; }
  /// It is being set up, from dialling to the agreement on versions.
  [[nodiscard]] bool is_setting_up() const;
  /// Since when the server owes an answer, to the setting up or to the oldest request; `never`: it
  /// owes none, or it throttles this client.
  [[nodiscard]] TimePoint silent_since() const;
  /// The answer that was received last said so.
  void throttle(Duration time);
  /// What it waits for, as a sentence for messages; empty when for nothing.
  [[nodiscard]] std::string trouble() const;
  /// The answer that was received last cannot be read, so neither can what follows it: `then`,
  /// whose answer it was, and all other requests fail, and the connection is given up.
  void give_up(Answered then, const Error& why);
  /// Fails all requests and closes; the owner is not told.
  void close(const Error& why);

  void on_open() override;
  Admission on_frame_length(std::size_t bytes) override;
  void on_frame(Slice frame) override;
  void on_closed(Error why) override;

 private:
  using State = ConnectionProtocol::State;
  using Waiting = std::move_only_function<void(Link&, Result<void>)>;

  void dial();
  void apply(ConnectionActions& actions);
  void become_ready();
  void send_waiting();
  void end(const Error& why);
  void fail_all(const Error& why);
  /// With the address in front, unless the message has it.
  [[nodiscard]] Error here(const Error& why) const;
  void watch_deadline();
  void on_time();
  [[nodiscard]] TimePoint now() const { return environment_.loop.tick().mono; }
  template <class M>
  void put(const M& message, Duration timeout, Answered then);

  const ClientEnvironment& environment_;
  const Options& options_;
  LinkOwner& owner_;
  Endpoint to_;
  std::unique_ptr<ConnectionProtocol> core_;
  std::unique_ptr<Connection> connection_;
  /// In the order in which servers answer.
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
  if (core_ && core_->takes_requests() && waiting_.empty()) {
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
  auto sent = core_->request(message, 0, now(), actions, timeout);
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
  auto sent = core_->tell(message, actions);
  apply(actions);
  if (!sent) return fail(here(sent.error()));
  return sent;
}

}  // namespace dohle::client
