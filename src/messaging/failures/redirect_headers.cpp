#include "messaging/failures/redirect_headers.hpp"

#include <array>
#include <cstddef>
#include <utility>

#include "messaging/reports/error_header.hpp"
#include "properties/values.hpp"

namespace dohle::messaging {

namespace {

/// More than any message has, and so few that further ones can be added.
constexpr int max_attempts = 1'000'000'000;

template <class Number>
std::string big_endian(Number number) {
  std::array<std::byte, sizeof(Number)> bytes;
  wire::store_big_endian(bytes.data(), number);
  return std::string(as_text(bytes));
}

bool is_original_place(std::string_view name) {
  return name.starts_with("kafka_dlt-original-");
}

}  // namespace

bool is_redirect_header(std::string_view name) {
  return name.starts_with(header::spring_prefix) || name == header::attempts;
}

int attempts_of(const HeaderRange& headers) {
  const auto value = headers.first(header::attempts);
  if (!value) return 0;
  return static_cast<int>(properties::parse_count(as_text(*value), 0, max_attempts).value_or(0));
}

RedirectHeaders::RedirectHeaders(const EventState& event, std::string_view group,
                                 const Error& why) {
  const bool is_retried = event.level > 0;
  for (const HeaderView& each : event.headers) {
    const bool stays = is_retried && is_original_place(each.name);
    if (stays || !is_redirect_header(each.name)) views_.push_back(each);
  }
  if (!is_retried) {
    add(header::original_topic, std::string(event.topic));
    add(header::original_partition, big_endian(event.partition.value));
    add(header::original_offset, big_endian(event.offset.value));
    add(header::original_timestamp, big_endian(event.timestamp.value));
    add(header::original_group, std::string(group));
  }
  add(header::exception_name, std::string(why.name()));
  add(header::exception_message, std::string(message_for_header(why)));
  add(header::attempts, std::to_string(event.attempts()));
}

void RedirectHeaders::add(std::string_view name, std::string value) {
  values_.push_back(std::move(value));
  views_.push_back({name, as_bytes(values_.back())});
}

}  // namespace dohle::messaging
