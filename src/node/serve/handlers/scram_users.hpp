#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "auth/digest.hpp"
#include "node/node_settings.hpp"
#include "node/serve/call.hpp"

namespace dohle::node {

/// The numbers of the mechanisms in DescribeUserScramCredentials and AlterUserScramCredentials.
enum class ScramNumber : std::int8_t { sha256 = 1, sha512 = 2 };

[[nodiscard]] inline ScramNumber number_of(auth::Digest digest) {
  return digest == auth::Digest::sha256 ? ScramNumber::sha256 : ScramNumber::sha512;
}
[[nodiscard]] inline std::optional<auth::Digest> digest_of(std::int8_t number) {
  if (number == static_cast<std::int8_t>(ScramNumber::sha256)) return auth::Digest::sha256;
  if (number == static_cast<std::int8_t>(ScramNumber::sha512)) return auth::Digest::sha512;
  return std::nullopt;
}

/// Where clients log in on some listener, the others may neither see nor change users.
[[nodiscard]] inline bool may_manage_users(const Call& call) {
  return !call.node.settings.security.authenticates || call.access.who() != Principal::anonymous();
}
inline constexpr std::string_view users_need_login =
    "only a client that has logged in may see or change users: connect to a listener with SASL";

}  // namespace dohle::node
