#pragma once

#include <chrono>
#include <vector>

#include "dohle/sasl.hpp"
#include "node/security/user_line.hpp"

namespace dohle::node {

/// How clients log in.
struct SecuritySettings {
  /// Whether any listener asks for a login or for certificates. ANONYMOUS may then neither see nor
  /// change users.
  bool authenticates = false;
  std::vector<SaslMechanism> mechanisms = {SaslMechanism::plain, SaslMechanism::scram_sha_256,
                                           SaslMechanism::scram_sha_512};
  /// How long a login lasts (KIP-368). 0: as long as its connection.
  std::chrono::milliseconds max_reauth{0};
  /// As Users::Options.
  std::vector<UserEntry> plain_users = {};
  std::vector<UserEntry> first_scram_users = {};
};

}  // namespace dohle::node
