#include "dohle/sasl.hpp"

namespace dohle {
inline namespace v0 {

std::string_view to_string(SaslMechanism mechanism) noexcept {
  switch (mechanism) {
    case SaslMechanism::plain:
      return "PLAIN";
    case SaslMechanism::scram_sha_256:
      return "SCRAM-SHA-256";
    case SaslMechanism::scram_sha_512:
      return "SCRAM-SHA-512";
  }
  return "unknown";
}

}  // namespace v0
}  // namespace dohle
