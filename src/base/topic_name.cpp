#include "base/topic_name.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/printable.hpp"

namespace dohle {

namespace {

bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

std::string_view wrong_with(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > max_topic_name_bytes) return "is longer than 249 bytes";
  if (name == "." || name == "..") return "is a directory's name";
  if (name.starts_with('^')) return "is a pattern, and topics are named one by one";
  if (!std::ranges::all_of(name, is_allowed)) return "has other characters";
  return {};
}

}  // namespace

Result<void> check_topic_name(std::string_view name) {
  const std::string_view wrong = wrong_with(name);
  if (wrong.empty()) return {};
  constexpr std::size_t max_quoted = 80;
  const std::string quoted = printable(name.substr(0, max_quoted));
  return fail(Error::client(
      Errc::invalid_argument,
      fmt::format("the topic name \"{}{}\" {}; allowed are 1 to 249 letters, digits, '.', '_' and "
                  "'-' of ASCII",
                  quoted, name.size() > max_quoted ? "..." : "", wrong)));
}

}  // namespace dohle
