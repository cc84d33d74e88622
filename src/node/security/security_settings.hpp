#pragma once

#include <chrono>
#include <vector>

#include "dohle/sasl.hpp"
#include "node/security/user_line.hpp"

namespace dohle::node {

/// How clients log in.
struct SecuritySettings {
  /// Whether any listener asks for a login.
  bool authenticates = false;
  /// Whether any listener takes its clients' principals from certificates.
  bool asks_for_certificates = false;
  std::vector<SaslMechanism> mechanisms = {SaslMechanism::plain, SaslMechanism::scram_sha_256,
                                           SaslMechanism::scram_sha_512};
  /// How long a login lasts (KIP-368). 0: as long as its connection.
  std::chrono::milliseconds max_reauth{0};
  /// As Users::Options.
  std::vector<UserEntry> plain_users = {};
  std::vector<UserEntry> first_scram_users = {};

  /// Whether clients have names on some listener. ANONYMOUS may then neither see nor change users.
  [[nodiscard]] bool knows_clients() const { return authenticates || asks_for_certificates; }
};

}  // namespace dohle::node
