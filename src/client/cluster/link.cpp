#include "client/cluster/link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace dohle::client {

Link::Link(const ClientEnvironment& environment, const Options& options, Login* login,
           LinkOwner& owner, Endpoint to)
    : environment_(environment),
      options_(options),
      login_(login),
      owner_(owner),
      to_(std::move(to)) {}

Link::~Link() {
  environment_.loop.cancel(timer_);
}

void Link::dial_at(TimePoint at) {
  if (at <= now()) return dial();
  timer_at_ = at;
  timer_ = environment_.loop.arm(at, [this] {
    timer_ = 0;
    timer_at_ = never;
    dial();
  });
}

void Link::dial() {
  if (is_closed_) return;
  DOHLE_ASSERT(!protocol_ && !connection_, "a link dials twice");
  dialled_at_ = now();
  ConnectionProtocol::Options protocol = options_.protocol;
  protocol.connect_timeout = setup_time();
  if (protocol.connect_timeout < options_.protocol.connect_timeout) {
    protocol.connect_limit = "connect_deadline";
  }
  const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(protocol.connect_timeout);
  protocol_ = std::make_unique<ConnectionProtocol>(std::move(protocol), now(), logins());
  if (timeout.count() == 0) {
    environment_.loop.post([weak = weak_from_this()] {
      const auto link = weak.lock();
      if (!link || link->is_closed_) return;
      link->end(Error::client(Errc::connection_failed, "connect_deadline has passed"));
    });
    return;
  }
  connection_ = environment_.dialer.dial(to_, DialOptions{options_.limits, timeout}, *this);
  watch_deadline();
}

Duration Link::setup_time() const {
  const Duration timeout = options_.protocol.connect_timeout;
  if (!options_.connect_deadline) return timeout;
  const Timestamp wall = environment_.loop.tick().wall;
  if (*options_.connect_deadline <= wall) return Duration::zero();
  // A deadline in the far future would not fit a Duration.
  const auto most = std::chrono::ceil<std::chrono::milliseconds>(timeout);
  if (options_.connect_deadline->value - most.count() > wall.value) return timeout;
  return std::min<Duration>(
      timeout, std::chrono::milliseconds(options_.connect_deadline->value - wall.value));
}

ConnectionProtocol::Logins Link::logins() {
  if (login_ == nullptr) return {};
  constexpr double first_part = 0.85;
  constexpr double variation = 0.1;
  constexpr std::uint64_t steps = 1'000;
  const auto step = static_cast<double>(environment_.random.next() % steps);
  return {[this] {
            login_version_ = login_->version();
            return login_->begin();
          },
          first_part + variation * step / steps};
}

void Link::derive(const auth::SaslClient::NeedKeys& need) {
  if (login_version_ != login_->version()) {
    return end(Error::client(Errc::connection_lost, "the login was replaced while it was under way")
                   .with_retriable(true));
  }
  login_->derive(need, [weak = weak_from_this()](const auth::ScramKeys& keys) {
    const auto link = weak.lock();
    if (!link || link->is_closed_) return;
    ConnectionActions actions;
    link->protocol_->on_keys(keys, link->now(), actions);
    link->apply(actions);
  });
}

void Link::on_open() {
  const auto alive = shared_from_this();
  ConnectionActions actions;
  protocol_->on_open(now(), actions);
  apply(actions);
}

Admission Link::on_frame_length(std::size_t bytes) {
  return bytes <= options_.limits.max_frame_bytes ? Admission::accept : Admission::refuse;
}

void Link::on_frame(Slice frame) {
  const auto alive = shared_from_this();
  ConnectionActions actions;
  protocol_->on_frame(frame, now(), actions);
  frame = {};
  apply(actions);
}

void Link::on_closed(Error why) {
  const auto alive = shared_from_this();
  ConnectionActions actions;
  protocol_->on_closed(why, actions);
  apply(actions);
}

void Link::apply(ConnectionActions& actions) {
  for (ConnectionAction& action : actions) {
    if (is_closed_) return;
    if (auto* send = std::get_if<connection_action::Send>(&action)) {
      connection_->send(std::move(send->bytes));
    } else if (auto* answer = std::get_if<connection_action::Answer>(&action)) {
      DOHLE_ASSERT(!asked_.empty(), "an answer came to a request that was not made");
      Answered then = std::move(asked_.front());
      asked_.pop_front();
      environment_.metrics->request_time(answer->api.key).add(answer->took);
      then(*this, ReceivedAnswer{answer->version, std::move(answer->body)});
    } else if (std::holds_alternative<connection_action::Ready>(action)) {
      become_ready();
    } else if (auto* throttled = std::get_if<connection_action::Throttled>(&action)) {
      owner_.on_link_throttled(*this, throttled->time);
    } else if (auto* needed = std::get_if<connection_action::Derive>(&action)) {
      derive(needed->keys);
      if (is_closed_) return;
    } else if (auto* close = std::get_if<connection_action::Close>(&action)) {
      return end(close->why);
    }
  }
  send_waiting();
  if (is_closed_) return;
  DOHLE_ASSERT(protocol_->state() != State::ready || asked_.size() == protocol_->in_flight(),
               "a request in flight has no callback, or an answered one has");
  watch_deadline();
}

void Link::become_ready() {
  was_ready_ = true;
  send_waiting();
  if (!is_closed_) owner_.on_link_ready(*this);
}

void Link::send_waiting() {
  while (!is_closed_ && !waiting_.empty() && protocol_->takes_requests()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    next(*this, {});
  }
}

void Link::end(const Error& why) {
  if (is_closed_) return;
  const auto alive = shared_from_this();
  is_closed_ = true;
  const Error where = owner_.on_link_closed(*this, here(unless_replaced(why)));
  // An unknown name may exist later, as an unreachable server may be reached later.
  fail_all(where.is(Errc::name_not_resolved) ? where.with_retriable(true) : where);
}

Error Link::unless_replaced(const Error& why) const {
  // A TLS handshake is before the first login, so it fails with no credentials.
  const bool has_begun = login_ != nullptr && login_version_ != 0;
  if (!why.is_auth() || !has_begun || login_version_ == login_->version()) return why;
  return Error::client(Errc::connection_lost,
                       "a login that was replaced meanwhile: " + std::string(why.message()))
      .with_retriable(true);
}

Error Link::here(const Error& why) const {
  const std::string address = to_.to_string();
  return why.message().find(address) == std::string_view::npos ? why.within(address) : why;
}

bool Link::is_setting_up() const {
  return protocol_ && protocol_->is_setting_up();
}

TimePoint Link::silent_since() const {
  if (is_setting_up()) return dialled_at_;
  return !protocol_ || protocol_->is_throttled() ? never : protocol_->awaited_since();
}

std::string Link::trouble() const {
  if (!protocol_) return {};
  const std::string address = to_.to_string();
  if (protocol_->state() == State::connecting)
    return "connecting to " + address + ": no answer yet";
  if (protocol_->is_throttled()) return address + " throttles this client";
  const std::string_view awaited = protocol_->awaited();
  if (awaited.empty()) return {};
  return fmt::format("{} has not answered {}{}", address, awaited, protocol_->tls_hint());
}

void Link::give_up(Answered then, const Error& why) {
  // To the front, so that requests fail in their order.
  asked_.push_front(std::move(then));
  end(why);
}

void Link::close(const Error& why) {
  if (is_closed_) return;
  const auto alive = weak_from_this().lock();
  is_closed_ = true;
  fail_all(why);
}

void Link::fail_all(const Error& why) {
  environment_.loop.cancel(std::exchange(timer_, 0));
  if (connection_) {
    connection_->close();
    // Destroyed later, since this may run inside an event of the connection.
    environment_.loop.post([connection = std::move(connection_)] {});
  }
  auto asked = std::exchange(asked_, {});
  environment_.metrics->unanswered_requests.add(asked.size());
  auto waiting = std::exchange(waiting_, {});
  // Only the first request's answer was too large. The others may succeed on a new connection.
  const bool is_of_first = why.is(Errc::too_large) && !asked.empty();
  const Error of_others =
      is_of_first ? Error::client(Errc::connection_lost, why.message()).with_retriable(true) : why;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    asked[i](*this, fail(i == 0 ? why : of_others));
  }
  for (Waiting& next : waiting) next(*this, fail(of_others));
}

void Link::throttle(Duration time) {
  if (is_closed_) return;
  ConnectionActions actions;
  protocol_->throttle(time, now(), actions);
  apply(actions);
}

void Link::watch_deadline() {
  const TimePoint at = protocol_->deadline();
  // A timer that fires too early is armed again. Moving it with each request would cost more.
  if (at >= timer_at_) return;
  environment_.loop.cancel(timer_);
  timer_at_ = at;
  timer_ = environment_.loop.arm(at, [this] { on_time(); });
}

void Link::on_time() {
  const auto alive = shared_from_this();
  timer_ = 0;
  timer_at_ = never;
  ConnectionActions actions;
  protocol_->on_time(now(), actions);
  apply(actions);
}

}  // namespace dohle::client
