#pragma once

#include <string>

#include "net/tls/openssl_handles.hpp"
#include "net/tls/tls_context.hpp"

namespace dohle::net {

struct TlsContext::State {
  ContextHandle context;
  bool is_server = false;
  bool has_identity = false;
  std::string warning;
  // Only clients use the following members.
  bool verifies_certificate = true;
  bool verifies_hostname = true;
  std::string server_name;
};

}  // namespace dohle::net
