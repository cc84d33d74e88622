#include <charconv>

#include "base/connection.hpp"

namespace dohle {

std::string Endpoint::to_string() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Endpoint::is_loopback() const {
  // Excludes names such as 127.example.org.
  const bool is_number = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "::1" || (is_number && host.starts_with("127."));
}

Result<Endpoint> Endpoint::parse(std::string_view text, std::uint16_t default_port) {
  const auto refuse = [&](std::string_view why) {
    return fail(Error::configuration("address \"" + std::string(text) + "\" " + std::string(why) +
                                     "; expected HOST:PORT or [IPv6]:PORT"));
  };
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return refuse("has no closing bracket");
    host = text.substr(1, end - 1);
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) return refuse("has text after the bracket");
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
    if (host.find(':') != std::string_view::npos)
      return refuse("is an IPv6 address without brackets");
  }
  if (host.empty()) return refuse("has no host");
  if (host.find_first_of(" \t\r\n/@") != std::string_view::npos) {
    return refuse("has a character that is not allowed in a host name");
  }
  if (!has_port) {
    if (default_port == 0) return refuse("has no port");
    return Endpoint{std::string(host), default_port};
  }
  std::uint32_t number = 0;
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (code != std::errc{} || end != port.data() + port.size() || number > 65535) {
    return refuse("has a port that is not a number from 0 to 65535");
  }
  return Endpoint{std::string(host), static_cast<std::uint16_t>(number)};
}

}  // namespace dohle
