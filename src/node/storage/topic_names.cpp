#include "node/storage/topic_names.hpp"

#include <algorithm>

#include "base/broker_errors.hpp"
#include "base/topic_name.hpp"

namespace dohle::node {

namespace {

constexpr std::size_t max_echoed_bytes = 64;

/// A client's text for a message: printable and short.
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
  switch (fault_of_topic_name(name)) {
    case TopicNameFault::none:
      return {};
    case TopicNameFault::empty:
      return fail(illegal(name, "the empty string is not allowed"));
    case TopicNameFault::directory:
      return fail(illegal(name, echoed(name) + " is not allowed"));
    case TopicNameFault::too_long:
      return fail(illegal(name, "the length of " + echoed(name) +
                                    " is longer than the max allowed length " +
                                    std::to_string(max_topic_name_bytes)));
    case TopicNameFault::other_characters:
      break;
  }
  return fail(illegal(name, echoed(name) + " contains one or more characters other than ASCII "
                                           "alphanumerics, '.', '_' and '-'"));
}

}  // namespace dohle::node
