#include "node/door/authentication.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "auth/digest.hpp"
#include "base/assert.hpp"
#include "base/base64.hpp"
#include "base/broker_errors.hpp"
#include "wire/big_endian.hpp"
#include "wire/frame_body.hpp"
#include "wire/messages/api_versions.hpp"
#include "wire/messages/sasl_authenticate.hpp"
#include "wire/messages/sasl_handshake.hpp"

namespace dohle::node {

namespace {

// As Apache Kafka: a login is not begun again more often.
constexpr auto min_time_between_logins = std::chrono::seconds(1);
constexpr std::size_t nonce_octets = 24;
// One in a version that the node does not have, and one in a version that it named. More of them
// would be a cheap way to fill the memory for unread answers.
constexpr std::uint8_t max_asked_versions = 2;
constexpr std::size_t frame_length_bytes = 4;

std::string nonce_from(SecureRandom& random) {
  std::array<std::byte, nonce_octets> octets{};
  random.fill(octets);
  return to_base64(as_text(octets));
}

template <class Response>
Chain answer_of(const Response& response, std::int32_t correlation_id, std::int16_t version) {
  auto bytes = wire::encode_response(correlation_id, response, version);
  DOHLE_ASSERT(bytes.has_value(), "an answer of the login fits every version");
  return *std::move(bytes);
}

Chain raw_frame(std::string_view token) {
  return Chain(Slice::made(frame_length_bytes + token.size(), [&](std::span<std::byte> to) {
    wire::store_big_endian(to.data(), static_cast<std::int32_t>(token.size()));
    std::ranges::copy(as_bytes(token), to.begin() + frame_length_bytes);
  }));
}

// The words of Apache Kafka, which are the same for every reason.
std::string refusal_of(SaslMechanism mechanism, bool is_again) {
  if (mechanism == SaslMechanism::plain) {
    return "Authentication failed: Invalid username or password";
  }
  return std::string("Authentication failed during ") +
         (is_again ? "re-authentication" : "authentication") +
         " due to invalid credentials with SASL mechanism " + std::string(to_string(mechanism));
}

std::string name_of(const wire::RequestFrame& request) {
  return std::string(wire::api_name(request.header.api_key));
}

}  // namespace

Authentication::Action Authentication::on_frame(const Slice& frame, TimePoint now) {
  switch (state_) {
    case State::raw_token:
      asked_ = {.is_raw = true};
      return act(login_->on_message(as_text(frame.bytes())), now);
    case State::authenticated:
      if (begins_again(frame, now)) return on_request(frame, now);
      if (now < expires_at_) return Serve{};
      return Close{"its login has expired (max_reauth): the client has to log in again before"};
    case State::handshake:
    case State::authenticate:
      return on_request(frame, now);
    case State::refused:
      break;
  }
  return Close{"a request after a refused login"};
}

// A request to log in again; another one is served, and its handler refuses it.
bool Authentication::begins_again(const Slice& frame, TimePoint now) {
  if (frame.size() < sizeof(std::int16_t)) return false;
  const auto key = wire::load_big_endian<std::int16_t>(frame.data());
  if (key != static_cast<std::int16_t>(wire::ApiKey::sasl_handshake)) return false;
  if (began_again_at_ && now - *began_again_at_ < min_time_between_logins) return false;
  began_again_at_ = now;
  asked_versions_ = 0;
  state_ = State::handshake;
  return true;
}

Authentication::Action Authentication::on_request(const Slice& frame, TimePoint now) {
  auto request = wire::decode_request_header(frame);
  if (!request) return refuse(std::nullopt, std::string(request.error().message()));
  const bool is_handshake = state_ == State::handshake;
  switch (request->header.api_key) {
    case wire::ApiKey::api_versions:
      if (!is_handshake) return on_wrong_state(*request);
      if (++asked_versions_ > max_asked_versions) {
        return refuse(std::nullopt, "ApiVersions came more than twice before the login");
      }
      return Serve{};
    case wire::ApiKey::sasl_handshake:
      return is_handshake ? on_handshake(*request) : on_wrong_state(*request);
    case wire::ApiKey::sasl_authenticate:
      if (!is_handshake) return on_authenticate(*request, now);
      break;
    default:
      break;
  }
  return refuse(std::nullopt,
                name_of(*request) + " came before the login" + (is_handshake ? "" : " was over"));
}

Authentication::Action Authentication::on_handshake(const wire::RequestFrame& request) {
  const auto& [key, version, correlation_id, client_id] = request.header;
  if (!wire::SaslHandshakeRequest::api.versions.contains(version)) {
    return refuse(std::nullopt, "SaslHandshake version " + std::to_string(version));
  }
  auto handshake = wire::decode_frame_body<wire::SaslHandshakeRequest>(request.body, version);
  if (!handshake) return refuse(std::nullopt, std::string(handshake.error().message()));
  const std::string& wanted = handshake->message.mechanism;
  wire::SaslHandshakeResponse response;
  for (const SaslMechanism each : options_.mechanisms) {
    response.mechanisms.emplace_back(to_string(each));
  }
  const auto found = std::ranges::find(options_.mechanisms, wanted,
                                       [](SaslMechanism each) { return to_string(each); });
  if (found == options_.mechanisms.end()) {
    response.error_code = broker_error::unsupported_sasl_mechanism;
    return refuse(
        answer_of(response, correlation_id, version),
        "it asks for the SASL mechanism \"" + wanted.substr(0, 100) + "\", which is not offered");
  }
  if (principal_ && *found != mechanism_) {
    response.error_code = broker_error::illegal_sasl_state;
    return refuse(answer_of(response, correlation_id, version),
                  "it logged in with " + std::string(to_string(mechanism_)) +
                      " and wants to do so again with " + wanted);
  }
  login_.emplace(*found, users_, nonce_from(random_));
  state_ = version == 0 ? State::raw_token : State::authenticate;
  return Answer{answer_of(response, correlation_id, version)};
}

Authentication::Action Authentication::on_authenticate(const wire::RequestFrame& request,
                                                       TimePoint now) {
  const std::int16_t version = request.header.api_version;
  if (!wire::SaslAuthenticateRequest::api.versions.contains(version)) {
    return refuse(std::nullopt, "SaslAuthenticate version " + std::to_string(version));
  }
  auto token = wire::decode_frame_body<wire::SaslAuthenticateRequest>(request.body, version);
  if (!token) return refuse(std::nullopt, std::string(token.error().message()));
  asked_ = {.correlation_id = request.header.correlation_id, .version = version};
  return act(login_->on_message(as_text(token->message.auth_bytes.bytes())), now);
}

// Handles a request that arrives between the messages of a login.
Authentication::Action Authentication::on_wrong_state(const wire::RequestFrame& request) {
  const auto& [key, version, correlation_id, client_id] = request.header;
  const std::string why = name_of(request) + " came before the login was over";
  if (key == wire::ApiKey::sasl_handshake &&
      wire::SaslHandshakeRequest::api.versions.contains(version)) {
    wire::SaslHandshakeResponse response;
    response.error_code = broker_error::illegal_sasl_state;
    return refuse(answer_of(response, correlation_id, version), why);
  }
  if (key == wire::ApiKey::api_versions &&
      wire::ApiVersionsRequest::api.versions.contains(version)) {
    wire::ApiVersionsResponse response;
    response.error_code = broker_error::illegal_sasl_state;
    return refuse(answer_of(response, correlation_id, version), why);
  }
  return refuse(std::nullopt, why);
}

// --- the login

Authentication::Action Authentication::on_checked(bool is_right, TimePoint now) {
  DOHLE_ASSERT(login_.has_value(), "a password was checked outside a login");
  return act(login_->on_checked(is_right), now);
}

Authentication::Action Authentication::act(ServedLogin::Step step, TimePoint now) {
  if (auto* reply = std::get_if<ServedLogin::Reply>(&step)) {
    return Answer{token_answer(reply->message, {})};
  }
  if (auto* check = std::get_if<ServedLogin::Check>(&step)) return Check{std::move(*check)};
  if (auto* accepted = std::get_if<ServedLogin::Accepted>(&step)) {
    return accept(std::move(*accepted), now);
  }
  return refuse_login(std::get<ServedLogin::Refused>(step).why);
}

Authentication::Action Authentication::accept(ServedLogin::Accepted accepted, TimePoint now) {
  Principal who{"User", std::move(accepted.name)};
  if (principal_ && who != *principal_) {
    return refuse_login("it is logged in as " + principal_->to_string() +
                        " and proved to be another user");
  }
  principal_ = std::move(who);
  mechanism_ = login_->mechanism();
  login_.reset();
  state_ = State::authenticated;
  expires_at_ = options_.max_reauth.count() > 0 ? now + options_.max_reauth : never;
  return Answer{token_answer(accepted.message, options_.max_reauth)};
}

Authentication::Action Authentication::refuse_login(const std::string& why) {
  const std::string_view mechanism = to_string(login_->mechanism());
  std::string line = std::string(mechanism) + ": " + why;
  if (asked_.is_raw) return refuse(std::nullopt, std::move(line));
  wire::SaslAuthenticateResponse response;
  response.error_code = broker_error::sasl_authentication_failed;
  response.error_message = refusal_of(login_->mechanism(), principal_.has_value());
  return refuse(answer_of(response, asked_.correlation_id, asked_.version), std::move(line));
}

Authentication::Action Authentication::refuse(std::optional<Chain> answer, std::string why) {
  state_ = State::refused;
  login_.reset();
  return Refuse{std::move(answer), std::move(why)};
}

Chain Authentication::token_answer(std::string_view token,
                                   std::chrono::milliseconds lifetime) const {
  if (asked_.is_raw) return raw_frame(token);
  wire::SaslAuthenticateResponse response;
  response.auth_bytes = Slice::copy_of(token);
  response.session_lifetime_ms = lifetime.count();
  return answer_of(response, asked_.correlation_id, asked_.version);
}

}  // namespace dohle::node
