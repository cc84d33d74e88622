#include "node/door/served_login.hpp"

#include <utility>

#include "auth/plain.hpp"
#include "base/assert.hpp"

namespace dohle::node {

ServedLogin::ServedLogin(SaslMechanism mechanism, const Users& users, std::string nonce)
    : mechanism_(mechanism), users_(&users), scram_(auth::digest_of(mechanism), std::move(nonce)) {}

ServedLogin::Step ServedLogin::on_message(std::string_view message) {
  switch (state_) {
    case State::begun:
      return mechanism_ == SaslMechanism::plain ? on_plain(message) : on_scram_first(message);
    case State::challenged:
      return on_scram_final(message);
    case State::checking:
    case State::ended:
      break;
  }
  return refused("a message after the last one");
}

ServedLogin::Step ServedLogin::on_plain(std::string_view message) {
  auto login = auth::read_plain_message(message);
  if (!login) return refused(login.error().message());
  state_ = State::checking;
  name_ = std::move(login->name);
  return Check{std::move(login->password), users_->find(mechanism_, name_)};
}

ServedLogin::Step ServedLogin::on_scram_first(std::string_view message) {
  auto name = scram_.on_client_first(message);
  if (!name) return refused(name.error().message());
  state_ = State::challenged;
  name_ = *std::move(name);
  return Reply{scram_.first_message(users_->find(mechanism_, name_).verifier)};
}

ServedLogin::Step ServedLogin::on_scram_final(std::string_view message) {
  auto proven = scram_.on_client_final(message);
  if (!proven) return refused(proven.error().message());
  if (!*proven) return refused("the user is unknown or the password is wrong");
  state_ = State::ended;
  return Accepted{std::move(name_), **std::move(proven)};
}

ServedLogin::Step ServedLogin::on_checked(bool is_right) {
  DOHLE_ASSERT(state_ == State::checking, "a password was checked that no client sent");
  if (!is_right) return refused("the user is unknown or the password is wrong");
  state_ = State::ended;
  return Accepted{std::move(name_), ""};
}

ServedLogin::Step ServedLogin::refused(std::string_view why) {
  state_ = State::ended;
  return Refused{std::string(why)};
}

}  // namespace dohle::node
