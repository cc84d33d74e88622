#pragma once

#include <string_view>

#include "dohle/producer.hpp"

namespace dohle::client {

/// A partitioner of one call, with what it remembers of the topic.
struct Choice {
  const Partitioner& by;
  Partitioner::Memory* memory;
};

/// Producer::send with a partitioner of this call's own, in place of the producer's.
[[nodiscard]] Result<Delivery> send_choosing(Producer& producer, std::string_view topic,
                                             const Record& record, const Choice& choice);
/// The same with a callback for the outcome.
[[nodiscard]] Result<void> send_choosing(Producer& producer, std::string_view topic,
                                         const Record& record, const Choice& choice,
                                         DeliveryCallback callback);

// The same with a topic that the producer has resolved.

[[nodiscard]] Result<Delivery> send_choosing(Producer& producer, const ProducerTopic& topic,
                                             const Record& record, const Choice& choice);
[[nodiscard]] Result<void> send_choosing(Producer& producer, const ProducerTopic& topic,
                                         const Record& record, const Choice& choice,
                                         DeliveryCallback callback);

}  // namespace dohle::client
