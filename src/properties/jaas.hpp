#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/secret.hpp"

namespace dohle::properties {

/// Bound of a sasl.jaas.config; longer ones are refused.
inline constexpr std::size_t max_jaas_bytes = std::size_t{64} * 1024;

/// One login module with its options, as Java's JAAS reads it.
struct JaasEntry {
  std::string module;
  std::string control_flag;
  std::vector<std::pair<std::string, Secret>> options;
};

/// Reads the entries of a sasl.jaas.config with the words, quotes, escapes and comments of Java's
/// Kafka clients. Two texts that Java takes are refused: a quoted value without its closing quote,
/// and the same option twice. Errors: configuration, with the position, never with a part of the
/// text.
[[nodiscard]] Result<std::vector<JaasEntry>> read_jaas(std::string_view text);

enum class LoginModule : std::uint8_t { plain, scram };

struct JaasLogin {
  LoginModule module = LoginModule::plain;
  std::string username;
  Secret password;
};

/// The login of a client: one entry of PlainLoginModule or ScramLoginModule with username and
/// password. Options user_NAME, which are a server's, are ignored as in Java. Errors:
/// configuration.
[[nodiscard]] Result<JaasLogin> read_jaas_login(std::string_view text);

}  // namespace dohle::properties
