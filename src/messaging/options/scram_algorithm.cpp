#include <string>

#include "dohle/options.hpp"

namespace dohle {
inline namespace v0 {
namespace kafka {

std::string_view to_string(ScramAlgorithm algorithm) {
  switch (algorithm) {
    case ScramAlgorithm::sha256:
      return "SHA256";
    case ScramAlgorithm::sha512:
      return "SHA512";
  }
  return "?";
}

Result<ScramAlgorithm> parse_scram_algorithm(std::string_view text) {
  for (const auto each : {ScramAlgorithm::sha256, ScramAlgorithm::sha512}) {
    if (to_string(each) == text) return each;
  }
  return fail(Error::configuration("SCRAM algorithm is \"" + std::string(text) +
                                   "\"; allowed are SHA256, SHA512"));
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
