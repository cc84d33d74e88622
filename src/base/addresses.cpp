#include "base/addresses.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/printable.hpp"

namespace dohle {

namespace {

constexpr std::size_t max_addresses = 1'000;
constexpr std::uint16_t kafka_port = 9092;
constexpr std::string_view blanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

bool is_same_word(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  });
}

Error refused(std::string_view address, std::string_view why) {
  return Error::configuration("address \"" + printable(address) + "\" " + std::string(why));
}

/// The address after an allowed scheme.
Result<std::string_view> without_scheme(std::string_view address) {
  constexpr std::array<std::string_view, 2> spoken = {"kafka", "plaintext"};
  constexpr std::string_view mark = "://";
  const auto end = address.find(mark);
  if (end == std::string_view::npos) return address;
  const std::string_view scheme = address.substr(0, end);
  const bool is_spoken =
      std::ranges::any_of(spoken, [&](auto each) { return is_same_word(each, scheme); });
  if (is_spoken) return address.substr(end + mark.size());
  return fail(refused(address, "has the scheme " + printable(scheme) +
                                   ", which is not supported; allowed are HOST:PORT, "
                                   "kafka://HOST:PORT and PLAINTEXT://HOST:PORT"));
}

Result<Endpoint> parse_address(std::string_view address) {
  const auto place = without_scheme(address);
  if (!place) return fail(place.error());
  auto endpoint = Endpoint::parse(*place, kafka_port);
  if (!endpoint) return fail(endpoint.error());
  if (endpoint->port == 0)
    return fail(refused(address, "has port 0; expected HOST:PORT with a port from 1 to 65535"));
  return endpoint;
}

}  // namespace

Result<std::vector<Endpoint>> parse_addresses(std::span<const std::string> texts) {
  std::vector<Endpoint> all;
  for (std::string_view rest : texts) {
    for (bool is_last = false; !is_last;) {
      const auto comma = rest.find(',');
      is_last = comma == std::string_view::npos;
      const std::string_view address = trimmed(rest.substr(0, comma));
      if (!is_last) rest.remove_prefix(comma + 1);
      if (address.empty()) continue;
      auto endpoint = parse_address(address);
      if (!endpoint) return fail(endpoint.error());
      all.push_back(std::move(*endpoint));
    }
  }
  if (all.empty()) {
    return fail(Error::configuration("there is no address; expected HOST:PORT or [IPv6]:PORT"));
  }
  if (all.size() > max_addresses) {
    return fail(Error::configuration("there are " + std::to_string(all.size()) +
                                     " addresses; allowed are 1 to 1000"));
  }
  return all;
}

}  // namespace dohle
