#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "base/timed_gate.hpp"
#include "dohle/broker.hpp"
#include "messaging/subscription.hpp"

namespace dohle::messaging {

/// Reads the replies of a Broker: for each reply topic one partition, by hand, from the end that it
/// has when its first request is about to be sent. Thread safety: any thread.
class ReplyReaders {
 public:
  static constexpr std::size_t max_topics = 16;

  /// What starting to read needs. Both may wait until the deadline.
  struct Means {
    /// Creates the topic if that is asked for, and chooses a partition.
    std::function<Result<PartitionId>(const std::string& topic,
                                      const std::optional<ReplyTopicCreation>& creation,
                                      TimePoint deadline)>
        choose_partition;
    std::function<Result<std::shared_ptr<Subscription>>(const std::string& topic,
                                                        PartitionId partition)>
        subscribe;
  };
  explicit ReplyReaders(Means means) : means_(std::move(means)) {}

  /// The partition whose end is known; the first call for a topic waits for that. Errors:
  /// timed_out; limit_reached; would_deadlock where a wait is needed and `may_wait` is false; those
  /// of the means.
  [[nodiscard]] Result<PartitionId> partition_of(const std::string& topic,
                                                 const std::optional<ReplyTopicCreation>& creation,
                                                 TimePoint deadline, bool may_wait);
  /// True inside the callback of a request.
  [[nodiscard]] bool is_inside();

 private:
  struct Reader {
    PartitionId partition;
    std::shared_ptr<Subscription> subscription;
  };

  [[nodiscard]] std::optional<PartitionId> find(const std::string& topic);
  [[nodiscard]] Result<Reader> start(const std::string& topic,
                                     const std::optional<ReplyTopicCreation>& creation,
                                     TimePoint deadline);

  const Means means_;
  /// Held while a reader starts; taken before mutex_.
  TimedGate starting_;
  std::mutex mutex_;
  std::map<std::string, Reader> readers_;
};

}  // namespace dohle::messaging
