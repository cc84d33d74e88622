#pragma once

#include <string>
#include <vector>

#include "dohle/node.hpp"

namespace CLI {
class App;
}

namespace dohle::tools {

/// The flags of `dohle node` for TLS. Each value counts for all listeners with TLS, or as
/// "NAME=VALUE" for the listener of that name alone.
struct NodeTlsFlags {
  std::vector<std::string> certificate = {};
  std::vector<std::string> key = {};
  std::vector<std::string> keystore = {};
  std::vector<std::string> password_file = {};
  std::vector<std::string> ca = {};
  std::vector<std::string> crl = {};
  std::vector<std::string> client_certificates = {};
  std::vector<std::string> principal_rules = {};
  std::vector<std::string> min_version = {};
  std::vector<std::string> ciphers = {};
  std::vector<std::string> ciphersuites = {};
  std::vector<std::string> groups = {};
};

/// `flags` must live until the command line is parsed.
void add_tls_flags(CLI::App& app, NodeTlsFlags& flags);

/// Sets `tls` and `principal_rules` of the listeners. A passphrase comes from --tls-password-file,
/// else from $DOHLE_TLS_PASSWORD. Errors: configuration.
Result<void> set_tls(const NodeTlsFlags& flags, std::vector<NodeListener>& listeners);

}  // namespace dohle::tools
