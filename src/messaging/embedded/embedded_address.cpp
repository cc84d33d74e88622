#include "messaging/embedded/embedded_address.hpp"

#include <charconv>
#include <filesystem>

namespace dohle::messaging {

namespace {

constexpr std::string_view scheme = "embedded:";
constexpr std::string_view memory = "memory";
constexpr std::string_view listen = "listen=";

Error refused(std::string_view address, std::string_view why) {
  return Error::configuration("address is " + std::string(address) + ", which " + std::string(why) +
                              "; allowed are embedded:DIR, embedded:memory/NAME and "
                              "embedded:memory, with ?listen=PORT after them");
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

bool is_embedded(std::string_view address) {
  return address.starts_with(scheme);
}

Result<EmbeddedAddress> parse_embedded(std::string_view address,
                                       std::string_view current_directory) {
  if (!is_embedded(address)) return fail(refused(address, "is no embedded address"));
  std::string_view place = address.substr(scheme.size());
  EmbeddedAddress parsed;
  if (const auto question = place.find('?'); question != std::string_view::npos) {
    const std::string_view query = place.substr(question + 1);
    if (!query.starts_with(listen)) return fail(refused(address, "has an unknown option"));
    parsed.listen_port = port_of(query.substr(listen.size()));
    if (!parsed.listen_port) return fail(refused(address, "has no port (1 to 65535) to listen on"));
    place = place.substr(0, question);
  }
  if (place.empty()) return fail(refused(address, "names no directory"));
  if (place == memory) {
    parsed.data_dir = ":memory:";
    return parsed;
  }
  if (place.starts_with("memory/")) {
    const std::string_view name = place.substr(memory.size() + 1);
    if (name.empty() || name.find('/') != std::string_view::npos) {
      return fail(refused(address, "has no name, or one with a slash, after memory/"));
    }
    parsed.data_dir = ":memory:";
    parsed.key = place;
    return parsed;
  }
  auto directory = (std::filesystem::path(current_directory) / place).lexically_normal();
  if (!directory.has_filename()) directory = directory.parent_path();
  parsed.data_dir = directory.string();
  // The slash in front distinguishes directories from names in memory.
  parsed.key = parsed.data_dir;
  return parsed;
}

}  // namespace dohle::messaging
