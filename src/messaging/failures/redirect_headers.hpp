#pragma once

#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/error.hpp"
#include "messaging/events/event_state.hpp"
#include "wire/big_endian.hpp"

namespace dohle::messaging {

/// Names of the headers of retry records and dead letters. Those with `kafka_` are spring-kafka's,
/// whose encodings they have: texts in UTF-8, numbers big-endian, the partition in 4 bytes, offset
/// and timestamp in 8.
namespace header {
inline constexpr std::string_view spring_prefix = "kafka_dlt-";
inline constexpr std::string_view original_topic = "kafka_dlt-original-topic";
inline constexpr std::string_view original_partition = "kafka_dlt-original-partition";
inline constexpr std::string_view original_offset = "kafka_dlt-original-offset";
inline constexpr std::string_view original_timestamp = "kafka_dlt-original-timestamp";
inline constexpr std::string_view original_group = "kafka_dlt-original-consumer-group";
inline constexpr std::string_view exception_name = "kafka_dlt-exception-fqcn";
inline constexpr std::string_view exception_message = "kafka_dlt-exception-message";
/// The number of attempts so far, as decimal text.
inline constexpr std::string_view attempts = "dohle-attempts";
}  // namespace header

/// True for a header that the redirection of a message wrote, or another library's.
[[nodiscard]] bool is_redirect_header(std::string_view name);

/// The attempts that `dohle-attempts` names. 0 without one, if it is no number, or above a billion,
/// so that any program may have written it.
[[nodiscard]] int attempts_of(const HeaderRange& headers);

/// A header's value as a big-endian number of `Number`'s size. Absent if its size is another.
template <class Number>
[[nodiscard]] std::optional<Number> number_in(const std::optional<Bytes>& value) {
  if (!value || value->size() != sizeof(Number)) return std::nullopt;
  return wire::load_big_endian<Number>(value->data());
}

/// The headers of a retry record or dead letter: the message's own, its original place, the
/// failure, and the number of attempts. Of a message from a retry topic the original place stays.
/// Views of the message's own headers are valid as long as the event.
class RedirectHeaders {
 public:
  RedirectHeaders(const EventState& event, std::string_view group, const Error& why);
  RedirectHeaders(const RedirectHeaders&) = delete;
  RedirectHeaders& operator=(const RedirectHeaders&) = delete;
  [[nodiscard]] std::span<const HeaderView> views() const { return views_; }

 private:
  void add(std::string_view name, std::string value);

  std::list<std::string> values_;
  std::vector<HeaderView> views_;
};

}  // namespace dohle::messaging
