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
  switch (fault_of_topic_name(name)) {
    case TopicNameFault::none:
      return {};
    case TopicNameFault::empty:
      return "is empty";
    case TopicNameFault::directory:
      return "is a directory's name";
    case TopicNameFault::too_long:
      return "is longer than 249 bytes";
    case TopicNameFault::other_characters:
      break;
  }
  return name.starts_with('^') ? "is a pattern, and topics are named one by one"
                               : "has other characters";
}

}  // namespace

TopicNameFault fault_of_topic_name(std::string_view name) {
  if (name.empty()) return TopicNameFault::empty;
  if (name == "." || name == "..") return TopicNameFault::directory;
  if (name.size() > max_topic_name_bytes) return TopicNameFault::too_long;
  const bool is_legal = std::ranges::all_of(name, is_allowed);
  return is_legal ? TopicNameFault::none : TopicNameFault::other_characters;
}

std::string undotted(std::string_view name) {
  std::string plain(name);
  std::ranges::replace(plain, '.', '_');
  return plain;
}

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

std::string partition_name(std::string_view topic, PartitionId partition) {
  return fmt::format("{}-{}", topic, partition.value);
}

}  // namespace dohle
