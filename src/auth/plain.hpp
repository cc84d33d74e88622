#pragma once

#include <string>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/secret.hpp"

namespace dohle::auth {

/// The most bytes of a PLAIN message. Longer ones are refused.
inline constexpr std::size_t max_plain_message_bytes = 4 * 1024;

/// A PLAIN login (RFC 4616).
struct PlainLogin {
  std::string name;
  Secret password;
};

/// The client's one message. `name` and `password` hold no NUL and are UTF-8. Errors:
/// configuration.
[[nodiscard]] Result<Secret> plain_message(std::string_view name, std::string_view password);
/// The server reads a message. Errors: malformed (also another authorization id than the name).
[[nodiscard]] Result<PlainLogin> read_plain_message(std::string_view message);

}  // namespace dohle::auth
