#include "properties/values.hpp"

#include <charconv>
#include <string>

#include <fmt/format.h>

namespace dohle::properties {

namespace {

std::unexpected<Error> refuse(std::string_view text, std::string_view allowed) {
  return fail(Error::configuration(fmt::format("\"{}\" is not {}", text, allowed)));
}

}  // namespace

Result<std::int64_t> parse_count(std::string_view text, std::int64_t min, std::int64_t max) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number);
  if (code != std::errc{} || rest != end || number < min || number > max) {
    return refuse(text, fmt::format("a whole number from {} to {}", min, max));
  }
  return number;
}

}  // namespace dohle::properties
