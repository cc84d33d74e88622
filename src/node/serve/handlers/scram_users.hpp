#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "auth/digest.hpp"
#include "node/node_settings.hpp"
#include "node/serve/call.hpp"
#include "wire/messages/alter_user_scram_credentials.hpp"

namespace dohle::node {

[[nodiscard]] inline std::int8_t number_of(auth::Digest digest) {
  return digest == auth::Digest::sha256 ? wire::scram_sha_256_number : wire::scram_sha_512_number;
}
[[nodiscard]] inline std::optional<auth::Digest> digest_of(std::int8_t number) {
  if (number == wire::scram_sha_256_number) return auth::Digest::sha256;
  if (number == wire::scram_sha_512_number) return auth::Digest::sha512;
  return std::nullopt;
}

/// Where clients have names on some listener, the others may neither see nor change users, nor see
/// quotas.
[[nodiscard]] inline bool may_manage_users(const Call& call) {
  const Parts<NodeSettings> node = call.node;
  return !node.get<NodeSettings>().security.knows_clients() ||
         call.access.who() != Principal::anonymous();
}
inline constexpr std::string_view users_need_login =
    "only a client that has logged in may see or change users, or see quotas: connect to a "
    "listener with SASL";

}  // namespace dohle::node
