#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "client/group/commit_outcome.hpp"
#include "dohle/consumer.hpp"

namespace dohle::client {

// Functions of a Consumer that only the messaging API uses.

/// Whether the topic replaced another one of its name since the consumer subscribed to it or got
/// partitions of it by hand. False for a consumer that was moved from. Any thread.
[[nodiscard]] bool was_made_again(const Consumer& consumer, const std::string& topic);

/// The assigned partitions whose topic was deleted and created again since the last call, each
/// once: offsets of the former topic may not be committed any more. Empty for a consumer that was
/// moved from. Any thread.
[[nodiscard]] std::vector<TopicPartition> take_replaced(Consumer& consumer);

/// As Consumer::commit_sync, with the outcome of each partition. Threads as there.
[[nodiscard]] CommitOutcome commit_each_sync(Consumer& consumer,
                                             std::vector<PartitionOffset> offsets,
                                             std::chrono::milliseconds timeout);
/// As Consumer::commit_async, with the outcome of each partition.
void commit_each_async(Consumer& consumer, std::vector<PartitionOffset> offsets,
                       CommitDone callback);

}  // namespace dohle::client
