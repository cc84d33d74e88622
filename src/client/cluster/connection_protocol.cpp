#include "client/cluster/connection_protocol.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "wire/messages/sasl_authenticate.hpp"
#include "wire/messages/sasl_handshake.hpp"

namespace dohle::client {

namespace {

/// Shown in servers' metrics (KIP-511).
constexpr std::string_view software_version = "0.2.0";

/// The minimum also applies to a server whose sessions are shorter.
constexpr std::chrono::milliseconds min_time_between_logins = std::chrono::seconds(1);

Error malformed(std::string_view what) {
  return Error::client(Errc::malformed, what);
}

/// The first answer is not Kafka's. The peer may be a web server.
Error no_kafka(const Error& why) {
  return Error::client(Errc::malformed, fmt::format("{}; is a Kafka server there?", why.message()));
}

/// Plain requests met a listener with TLS.
Error needs_tls(const Error& why) {
  return Error::auth(Errc::handshake_failed,
                     fmt::format("{}, and this client does not; set ClientOptions::tls "
                                 "(security.protocol SSL or SASL_SSL)",
                                 why.message()));
}

/// A login that this side gave up.
Error failed_login(const std::string& login, std::string_view why) {
  return Error::auth(Errc::login_failed, fmt::format("{}: {}", login, why));
}

/// Makes malformed answers of a known Kafka server retriable.
Error broken(const Error& why) {
  return why.is(Errc::malformed) ? why.with_retriable(true) : why;
}

/// The version of ApiVersions after error 35: the server's highest if it named one, else 0, which
/// every server has.
std::int16_t fallback_version(const wire::ApiVersionsResponse& answer) {
  const wire::Api api = wire::ApiVersionsRequest::api;
  for (const auto& spoken : answer.api_keys) {
    if (spoken.api_key != static_cast<std::int16_t>(api.key)) continue;
    return std::clamp(spoken.max_version, api.versions.min, api.versions.max);
  }
  return api.versions.min;
}

/// The request with the earliest deadline; requests may have their own timeouts.
auto earliest(const auto& in_flight) {
  return std::ranges::min_element(in_flight, {}, [](const auto& each) { return each.deadline; });
}

}  // namespace

Error unreadable_answer(const wire::Api& api, const Error& why) {
  return broken(Error::client(
      Errc::malformed,
      fmt::format("unreadable answer to {}: {}", wire::api_name(api.key), why.message())));
}

ConnectionProtocol::ConnectionProtocol(Options options, TimePoint now, Logins logins)
    : options_(std::move(options)),
      connect_deadline_(now + options_.connect_timeout),
      logins_(std::move(logins)) {
  DOHLE_ASSERT(logins_.lifetime_used > 0 && logins_.lifetime_used < 1,
               "a login is renewed within its lifetime");
}

void ConnectionProtocol::on_open(TimePoint now, ConnectionActions& out) {
  if (state_ != State::connecting) return;
  state_ = State::negotiating;
  negotiate(wire::ApiVersionsRequest::api.versions.max, now, out);
}

void ConnectionProtocol::negotiate(std::int16_t version, TimePoint now, ConnectionActions& out) {
  wire::ApiVersionsRequest message;
  message.client_software_name = "dohle";
  message.client_software_version = std::string(software_version);
  const auto sent = ask(message, version, Asker::connection, now, connect_deadline_, out);
  if (!sent) end(sent.error(), out);
}

void ConnectionProtocol::on_frame(const Slice& frame, TimePoint now, ConnectionActions& out) {
  if (state_ == State::closed) return;
  if (in_flight_.empty()) return end(malformed("an answer without a request"), out);
  const InFlight& asked = in_flight_.front();
  auto answer = wire::decode_response_header(frame, asked.api, asked.version);
  if (!answer) return end(unreadable_answer(asked.api, answer.error()), out);
  if (answer->correlation_id != asked.correlation_id) {
    return end(malformed(fmt::format("an answer to request {}, expected one to {}",
                                     answer->correlation_id, asked.correlation_id)),
               out);
  }
  const InFlight done = asked;
  in_flight_.pop_front();
  if (done.asker == Asker::connection) return on_own_answer(done, answer->body, now, out);
  was_answered_ = true;
  out.push_back(
      connection_action::Answer{done.api, done.version, std::move(answer->body), now - done.sent});
}

void ConnectionProtocol::on_own_answer(const InFlight& asked, const Slice& body, TimePoint now,
                                       ConnectionActions& out) {
  switch (asked.api.key) {
    case wire::ApiKey::sasl_handshake:
      return on_handshake(body, asked.version, now, out);
    case wire::ApiKey::sasl_authenticate:
      return on_authenticated(body, asked.version, now, out);
    default:
      return on_versions(body, asked.version, now, out);
  }
}

void ConnectionProtocol::on_versions(const Slice& body, std::int16_t asked, TimePoint now,
                                     ConnectionActions& out) {
  DOHLE_ASSERT(state_ == State::negotiating, "versions are agreed on twice");
  const auto answer = wire::decode_api_versions_response(body, asked);
  if (!answer) return end(answer.error(), out);
  if (answer->error_code == broker_error::unsupported_version && !fell_back_) {
    fell_back_ = true;
    return negotiate(std::min(fallback_version(*answer), asked), now, out);
  }
  if (answer->error_code != 0) {
    return end(Error::broker(answer->error_code, "agree on versions"), out);
  }
  versions_.assign(answer->api_keys);
  throttle(std::chrono::milliseconds(answer->throttle_time_ms), now, out);
  authenticate(now, out);
}

void ConnectionProtocol::authenticate(TimePoint now, ConnectionActions& out) {
  state_ = state_ == State::ready ? State::reauthenticating : State::authenticating;
  if (!logins_.begin) return become_ready(out);
  login_at_ = never;
  login_.emplace(logins_.begin());
  const std::pair identity(login_->username(), login_->mechanism());
  if (!identity_) identity_ = identity;
  if (identity != *identity_) {
    return end(Error::client(Errc::connection_lost, "the client logs in as another user by now")
                   .with_retriable(true),
               out);
  }
  wire::SaslHandshakeRequest message;
  message.mechanism = to_string(login_->mechanism());
  ask_for_login(message, now, out);
}

// The login's requests follow those in flight, and are answered after them.
template <class M>
void ConnectionProtocol::ask_for_login(const M& message, TimePoint now, ConnectionActions& out) {
  const auto version = versions_.pick(M::api);
  if (!version) return end(failed_login(login_name(), version.error().message()), out);
  const TimePoint deadline =
      is_setting_up() ? connect_deadline_ : TimePoint(now + options_.request_timeout);
  const auto sent = ask(message, *version, Asker::connection, now, deadline, out);
  if (!sent) end(sent.error(), out);
}

std::string ConnectionProtocol::login_name() const {
  return fmt::format("log in as {} by {}", login_->username(), to_string(login_->mechanism()));
}

void ConnectionProtocol::on_handshake(const Slice& body, std::int16_t version, TimePoint now,
                                      ConnectionActions& out) {
  const auto answer = wire::decode<wire::SaslHandshakeResponse>(body, version);
  if (!answer) return end(unreadable_answer(wire::SaslHandshakeRequest::api, answer.error()), out);
  if (answer->error_code == broker_error::illegal_sasl_state) {
    return end(Error::broker(answer->error_code,
                             login_name() + ": this listener of the server takes no login"),
               out);
  }
  if (answer->error_code != 0) {
    return end(
        Error::broker(answer->error_code, fmt::format("{}: the server offers {}", login_name(),
                                                      fmt::join(answer->mechanisms, ", "))),
        out);
  }
  if (version == 0) {
    return end(failed_login(login_name(), "the server is older than Apache Kafka 1.0"), out);
  }
  reply(login_->first_message(), now, out);
}

void ConnectionProtocol::reply(std::string message, TimePoint now, ConnectionActions& out) {
  wire::SaslAuthenticateRequest request;
  request.auth_bytes = Slice::copy_of(message);
  ask_for_login(request, now, out);
}

void ConnectionProtocol::on_authenticated(const Slice& body, std::int16_t version, TimePoint now,
                                          ConnectionActions& out) {
  const auto answer = wire::decode<wire::SaslAuthenticateResponse>(body, version);
  if (!answer) {
    return end(unreadable_answer(wire::SaslAuthenticateRequest::api, answer.error()), out);
  }
  if (answer->error_code != 0) {
    return end(Error::broker(answer->error_code, login_name(), answer->error_message.value_or("")),
               out);
  }
  auto step = login_->on_message(answer->auth_bytes.text());
  if (!step) return end(failed_login(login_name(), step.error().message()), out);
  if (auto* reply_with = std::get_if<auth::SaslClient::Reply>(&*step)) {
    return reply(std::move(reply_with->message), now, out);
  }
  if (auto* need = std::get_if<auth::SaslClient::NeedKeys>(&*step)) {
    out.push_back(connection_action::Derive{std::move(*need)});
    return;
  }
  login_.reset();
  on_session(answer->session_lifetime_ms, now);
  become_ready(out);
}

void ConnectionProtocol::on_keys(const auth::ScramKeys& keys, TimePoint now,
                                 ConnectionActions& out) {
  if (state_ == State::closed) return;
  DOHLE_ASSERT(login_.has_value(), "SCRAM keys arrive at a connection without a login");
  reply(login_->on_keys(keys), now, out);
}

void ConnectionProtocol::on_session(std::int64_t lifetime_ms, TimePoint now) {
  if (lifetime_ms <= 0) return;
  const auto used = static_cast<double>(std::min<std::int64_t>(lifetime_ms, max_lifetime.count())) *
                    logins_.lifetime_used;
  const std::chrono::milliseconds until(static_cast<std::int64_t>(used));
  login_at_ = now + std::max(until, min_time_between_logins);
}

void ConnectionProtocol::become_ready(ConnectionActions& out) {
  DOHLE_ASSERT(
      state_ == State::reauthenticating || (state_ == State::authenticating && in_flight_.empty()),
      "a connection becomes ready before it is set up");
  state_ = State::ready;
  if (!is_throttled()) out.push_back(connection_action::Ready{});
}

void ConnectionProtocol::throttle(Duration time, TimePoint now, ConnectionActions& out) {
  if (state_ == State::closed || time <= Duration::zero()) return;
  time = std::min(time, max_throttle);
  const TimePoint since = is_throttled() ? std::max(now, throttled_until_) : now;
  throttled_until_ = std::max(since, now + time);
  for (InFlight& each : in_flight_) each.deadline += throttled_until_ - since;
  out.push_back(connection_action::Throttled{time});
}

void ConnectionProtocol::on_closed(const Error& why, ConnectionActions& out) {
  const bool is_answer = state_ == State::ready && why.is(Errc::too_large);
  end(is_answer ? Error::client(Errc::too_large,
                                fmt::format("the answer to {} is above max_response_bytes: {}",
                                            awaited(), why.message()))
                : why,
      out);
}

void ConnectionProtocol::on_time(TimePoint now, ConnectionActions& out) {
  if (state_ == State::closed || now < deadline()) return;
  if (state_ == State::connecting) {
    return end(Error::client(
                   Errc::connection_failed,
                   fmt::format("{} passed{}", options_.connect_limit,
                               options_.is_over_tls ? " before the TLS handshake was done" : "")),
               out);
  }
  if (is_setting_up() && now >= connect_deadline_) {
    return end(
        Error::client(Errc::timed_out, fmt::format("{} passed without an answer to {}{}",
                                                   options_.connect_limit, awaited(), tls_hint())),
        out);
  }
  const auto late = earliest(in_flight_);
  if (late != in_flight_.end() && late->deadline <= now) {
    return end(
        Error::client(Errc::timed_out, fmt::format("request_timeout passed without an answer to {}",
                                                   wire::api_name(late->api.key))),
        out);
  }
  if (throttled_until_ <= now) {
    throttled_until_ = never;
    if (state_ == State::ready) out.push_back(connection_action::Ready{});
  }
  if (state_ == State::ready && login_at_ <= now) authenticate(now, out);
}

TimePoint ConnectionProtocol::deadline() const {
  if (is_setting_up()) return connect_deadline_;
  if (state_ == State::closed) return never;
  const auto late = earliest(in_flight_);
  const TimePoint own = std::min(throttled_until_, login_at_);
  return late == in_flight_.end() ? own : std::min(late->deadline, own);
}

std::string_view ConnectionProtocol::awaited() const {
  return in_flight_.empty() ? std::string_view() : wire::api_name(in_flight_.front().api.key);
}

TimePoint ConnectionProtocol::awaited_since() const {
  return in_flight_.empty() ? never : in_flight_.front().sent;
}

Result<std::int16_t> ConnectionProtocol::version_of(const wire::Api& api, std::int16_t most) const {
  if (state_ != State::ready) {
    return fail(Error::client(Errc::not_connected, "the connection is not ready for requests"));
  }
  return versions_.pick(api, most);
}

Result<std::int16_t> ConnectionProtocol::admit(const wire::Api& api, std::int16_t most) const {
  if (is_throttled()) {
    return fail(Error::client(Errc::limit_reached, "the server throttles this connection"));
  }
  if (state_ == State::ready && in_flight_.size() >= options_.max_in_flight) {
    return fail(Error::client(
        Errc::limit_reached,
        fmt::format("max_in_flight: {} requests wait for their answers", in_flight_.size())));
  }
  return version_of(api, most);
}

Result<void> ConnectionProtocol::put_bytes(Result<Chain> bytes, ConnectionActions& out) {
  if (!bytes) return fail(std::move(bytes.error()));
  // Servers only echo it. It stays positive so that logs of both sides show the same number.
  next_correlation_id_ = (next_correlation_id_ + 1) & 0x7fffffff;
  out.push_back(connection_action::Send{std::move(*bytes)});
  return {};
}

void ConnectionProtocol::end(const Error& why, ConnectionActions& out) {
  if (state_ == State::closed) return;
  const bool is_nonsense = why.is(Errc::malformed) || why.is(Errc::too_large);
  Error said = state_ == State::negotiating && is_nonsense ? no_kafka(why) : broken(why);
  if (!options_.is_over_tls && why.is(Errc::handshake_failed)) said = needs_tls(why);
  if (why.is(Errc::connection_lost) && may_meet_tls()) {
    said = said.within(fmt::format("closed before the first answer{}", tls_hint()));
  }
  // A listener with authentication closes the connection without a word.
  was_closed_at_first_request_ = why.is(Errc::connection_lost) && !logins_.begin &&
                                 !was_answered_ && state_ == State::ready && !in_flight_.empty();
  if (was_closed_at_first_request_) {
    said = said.within("closed at the first request; it may require a login");
  }
  state_ = State::closed;
  in_flight_.clear();
  out.push_back(connection_action::Close{said});
}

}  // namespace dohle::client
