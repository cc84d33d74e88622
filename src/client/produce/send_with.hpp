#pragma once

#include <optional>
#include <string_view>

#include "base/call_deadline.hpp"
#include "dohle/producer.hpp"

namespace dohle::client {

/// A partitioner of one call, with its memory of the topic.
struct Choice {
  const Partitioner& by;
  Partitioner::Memory* memory;
};

/// Values that one call uses in place of the producer's.
struct SendTerms {
  /// Null: the producer's partitioner.
  const Choice* choice = nullptr;
  /// The end of max_block. Absent: max_block begins with the send.
  std::optional<CallDeadline> deadline = std::nullopt;
};

/// Producer::send on terms of the call's own.
[[nodiscard]] Result<Delivery> send_with(const SendTerms& terms, Producer& producer,
                                         std::string_view topic, const Record& record);
/// The same with a callback for the outcome.
[[nodiscard]] Result<void> send_with(const SendTerms& terms, Producer& producer,
                                     std::string_view topic, const Record& record,
                                     DeliveryCallback callback);

// The same with a topic that the producer has resolved.

[[nodiscard]] Result<Delivery> send_with(const SendTerms& terms, Producer& producer,
                                         const ProducerTopic& topic, const Record& record);
[[nodiscard]] Result<void> send_with(const SendTerms& terms, Producer& producer,
                                     const ProducerTopic& topic, const Record& record,
                                     DeliveryCallback callback);

// Producer::send on terms of the call's own, with a function that gets the outcome beside the
// Delivery's holder: exactly once if this call succeeds, on the client's thread.

[[nodiscard]] Result<Delivery> send_observed(const SendTerms& terms, Producer& producer,
                                             std::string_view topic, const Record& record,
                                             DeliveryCallback observer);
[[nodiscard]] Result<Delivery> send_observed(const SendTerms& terms, Producer& producer,
                                             const ProducerTopic& topic, const Record& record,
                                             DeliveryCallback observer);

/// The end of max_block for a call that begins now. The producer was not moved from.
[[nodiscard]] CallDeadline max_block_from_now(const Producer& producer);
/// Producer::topic with the end of its max_block. The producer was not moved from.
[[nodiscard]] Result<ProducerTopic> topic_until(const CallDeadline& deadline, Producer& producer,
                                                std::string_view name);

}  // namespace dohle::client
