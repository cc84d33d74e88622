#include "node/storage/topic_names.hpp"

#include <algorithm>

#include "base/broker_errors.hpp"
#include "node/limits.hpp"

namespace dohle::node {

namespace {

constexpr std::string_view allowed =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
constexpr std::size_t max_echoed_bytes = 64;

/// Somebody's own text in a message: printable, and not long.
std::string echoed(std::string_view name) {
  std::string text(name.substr(0, max_echoed_bytes));
  std::ranges::replace_if(text, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return "'" + text + (name.size() > max_echoed_bytes ? "...'" : "'");
}

Error illegal(std::string_view name, const std::string& why) {
  return Error::broker(broker_error::invalid_topic_exception, "topic " + echoed(name),
                       "Topic name is invalid: " + why);
}

}  // namespace

Result<void> check_topic_name(std::string_view name) {
  if (name.empty()) return fail(illegal(name, "the empty string is not allowed"));
  if (name == "." || name == "..") return fail(illegal(name, echoed(name) + " is not allowed"));
  if (name.size() > limits::max_topic_name_bytes) {
    return fail(illegal(name, "the length of " + echoed(name) +
                                  " is longer than the max allowed length " +
                                  std::to_string(limits::max_topic_name_bytes)));
  }
  if (name.find_first_not_of(allowed) != std::string_view::npos) {
    return fail(illegal(name, echoed(name) + " contains one or more characters other than ASCII "
                                             "alphanumerics, '.', '_' and '-'"));
  }
  return {};
}

std::string undotted(std::string_view name) {
  std::string plain(name);
  std::ranges::replace(plain, '.', '_');
  return plain;
}

}  // namespace dohle::node
