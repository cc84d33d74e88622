#pragma once

#include <optional>
#include <string>

#include "dohle/message.hpp"
#include "dohle/record.hpp"

namespace dohle::messaging {

/// An owning copy of a ConsumerRecord or of an event.
template <class Received>
[[nodiscard]] Message message_of(const Received& received) {
  const auto copy_of = [](const std::optional<Bytes>& bytes) {
    return bytes ? std::optional(std::string(as_text(*bytes))) : std::nullopt;
  };
  Message copy;
  if (received.value) copy.with_body(*copy_of(received.value));
  if (received.key) copy.with_key(*copy_of(received.key));
  for (const HeaderView& header : received.headers) {
    copy.with_header(std::string(header.name), copy_of(header.value));
  }
  copy.with_partition(received.partition).with_offset(received.offset);
  copy.with_timestamp(received.timestamp);
  return copy;
}

}  // namespace dohle::messaging
