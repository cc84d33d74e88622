#include "auth/sasl_client.hpp"

#include <utility>

#include "auth/plain.hpp"
#include "base/assert.hpp"
#include "base/option_checks.hpp"
#include "base/utf8.hpp"

namespace dohle::auth {

namespace {

constexpr std::size_t max_name_bytes = 1'024;
constexpr std::size_t max_password_bytes = 1'024;

Error failed(std::string_view why) {
  return Error::auth(Errc::login_failed, why);
}

Error refused(std::string_view option, std::string_view why) {
  return Error::configuration("sasl: " + std::string(option) + " " + std::string(why));
}

}  // namespace

Result<void> SaslClient::check(const SaslOptions& login) {
  using enum SaslMechanism;
  if (auto known =
          check_enum("sasl: mechanism", login.mechanism, {plain, scram_sha_256, scram_sha_512});
      !known) {
    return known;
  }
  if (login.username.empty()) return fail(refused("username", "is empty"));
  if (login.username.size() > max_name_bytes) {
    return fail(refused("username", "has " + std::to_string(login.username.size()) +
                                        " bytes; at most 1024 are allowed"));
  }
  const std::string_view password = login.password.reveal();
  if (password.empty()) return fail(refused("password", "is not set"));
  if (password.size() > max_password_bytes) {
    return fail(refused("password", "is longer than 1024 bytes"));
  }
  if (password.contains('\0')) return fail(refused("password", "holds a NUL"));
  if (!is_utf8(password)) return fail(refused("password", "is not UTF-8"));
  if (auto name = ScramClient::check_name(login.username); !name) {
    return fail(name.error().within("sasl: username"));
  }
  return {};
}

SaslClient::SaslClient(const SaslOptions& login, std::string nonce)
    : mechanism_(login.mechanism), username_(login.username) {
  if (login.mechanism == SaslMechanism::plain) {
    auto message = plain_message(login.username, login.password.reveal());
    DOHLE_ASSERT(message.has_value(), "a login was not checked");
    plain_message_ = *std::move(message);
    return;
  }
  scram_ = ScramClient(digest_of(mechanism_), login.username, std::move(nonce));
}

std::string SaslClient::first_message() {
  DOHLE_ASSERT(state_ == State::begun, "a login begins twice");
  state_ = State::first_sent;
  if (const auto* scram = std::get_if<ScramClient>(&scram_)) return scram->first_message();
  state_ = State::final_sent;
  return std::string(std::exchange(plain_message_, {}).reveal());
}

Result<SaslClient::Step> SaslClient::on_message(std::string_view message) {
  auto* scram = std::get_if<ScramClient>(&scram_);
  if (state_ == State::first_sent && scram != nullptr) {
    auto challenge = scram->on_server_first(message);
    state_ = challenge ? State::keys_needed : State::ended;
    if (!challenge) return fail(failed(challenge.error().message()));
    return Step(NeedKeys{digest_of(mechanism_), std::move(challenge->salt), challenge->iterations});
  }
  if (state_ != State::final_sent) {
    state_ = State::ended;
    return fail(failed("a message of the server that the mechanism does not have"));
  }
  state_ = State::ended;
  if (scram == nullptr) return Step(Done{});
  if (auto proven = scram->on_server_final(message); !proven) {
    return fail(failed(proven.error().message()));
  }
  return Step(Done{});
}

std::string SaslClient::on_keys(const ScramKeys& keys) {
  DOHLE_ASSERT(state_ == State::keys_needed,
               "SCRAM keys arrive in a state that does not wait for them");
  state_ = State::final_sent;
  return std::get<ScramClient>(scram_).final_message(keys);
}

}  // namespace dohle::auth
