#include "auth/plain.hpp"

#include <algorithm>

#include "auth/digest.hpp"

namespace dohle::auth {

namespace {

Error malformed(std::string_view what) {
  return Error::client(Errc::malformed, "PLAIN: " + std::string(what));
}

}  // namespace

Result<Secret> plain_message(std::string_view name, std::string_view password) {
  const auto refused = [](std::string_view why) {
    return fail(Error::configuration("PLAIN: " + std::string(why)));
  };
  if (name.empty()) return refused("the user's name is empty");
  if (password.empty()) return refused("the password is empty");
  if (name.contains('\0')) return refused("the user's name holds a NUL");
  if (password.contains('\0')) return refused("the password holds a NUL");
  std::string text;
  // Reserved before the password is added: otherwise a part of it would stay in a smaller buffer.
  text.reserve(name.size() + password.size() + 2);
  text.append(1, '\0').append(name).append(1, '\0').append(password);
  Secret message(text);
  cleanse(text);
  return message;
}

Result<PlainLogin> read_plain_message(std::string_view message) {
  if (message.size() > max_plain_message_bytes) {
    return fail(malformed("a message of " + std::to_string(message.size()) + " bytes; at most " +
                          std::to_string(max_plain_message_bytes) + " are allowed"));
  }
  if (std::ranges::count(message, '\0') != 2) {
    return fail(malformed("the message is not an authorization id, a name and a password"));
  }
  const std::size_t first = message.find('\0');
  const std::size_t second = message.find('\0', first + 1);
  const std::string_view authorization = message.substr(0, first);
  const std::string_view name = message.substr(first + 1, second - first - 1);
  const std::string_view password = message.substr(second + 1);
  if (name.empty()) return fail(malformed("the user's name is empty"));
  if (password.empty()) return fail(malformed("the password is empty"));
  if (!authorization.empty() && authorization != name) {
    return fail(malformed("a user may not act for another one"));
  }
  return PlainLogin{std::string(name), Secret(password)};
}

}  // namespace dohle::auth
