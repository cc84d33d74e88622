#include "dohle/security_protocol.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace dohle {
inline namespace v0 {

namespace {

constexpr std::array all = {SecurityProtocol::plaintext, SecurityProtocol::ssl,
                            SecurityProtocol::sasl_plaintext, SecurityProtocol::sasl_ssl};

char to_upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

}  // namespace

std::string_view to_string(SecurityProtocol protocol) noexcept {
  switch (protocol) {
    case SecurityProtocol::plaintext:
      return "PLAINTEXT";
    case SecurityProtocol::ssl:
      return "SSL";
    case SecurityProtocol::sasl_plaintext:
      return "SASL_PLAINTEXT";
    case SecurityProtocol::sasl_ssl:
      return "SASL_SSL";
  }
  return "unknown";
}

Result<SecurityProtocol> parse_security_protocol(std::string_view text) {
  std::string name(text);
  std::ranges::transform(name, name.begin(), to_upper);
  const auto found = std::ranges::find(all, name, [](auto each) { return to_string(each); });
  if (found != all.end()) return *found;
  return fail(Error::configuration("the security protocol is \"" + std::string(text) +
                                   "\"; allowed are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL"));
}

}  // namespace v0
}  // namespace dohle
