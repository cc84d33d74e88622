#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/call_deadline.hpp"
#include "base/timed_gate.hpp"
#include "dohle/broker.hpp"
#include "messaging/subscribe/subscription.hpp"

namespace dohle::messaging {

/// Reads the replies of a Broker: for each reply topic one partition, by hand, from the end that it
/// has when its first request is about to be sent. If the topic is made again without that
/// partition, the next request chooses another one. Thread safety: any thread.
class ReplyReaders : public std::enable_shared_from_this<ReplyReaders> {
 public:
  static constexpr std::size_t max_topics = 16;

  /// The functions that reading needs.
  struct Means {
    /// Creates the topic if that is asked for, and chooses a partition. May wait until the
    /// deadline.
    std::function<Result<PartitionId>(const std::string& topic,
                                      const std::optional<ReplyTopicCreation>& creation,
                                      const CallDeadline& deadline)>
        choose_partition;
    /// `on_replaced`: as Subscription::Setup has it.
    std::function<Result<std::shared_ptr<Subscription>>(
        const std::string& topic, PartitionId partition, std::function<void()> on_replaced)>
        subscribe;
    /// The partitions of a topic that is read, as the client knows them now. 0: not known.
    std::function<std::int32_t(const std::string& topic)> known_partitions;
  };
  explicit ReplyReaders(Means means) : means_(std::move(means)) {}

  /// The partition whose end is known; the first call for a topic waits for that. Errors:
  /// timed_out; limit_reached; would_deadlock where a wait is needed and `may_wait` is false; those
  /// of the means.
  [[nodiscard]] Result<PartitionId> partition_of(const std::string& topic,
                                                 const std::optional<ReplyTopicCreation>& creation,
                                                 const CallDeadline& deadline, bool may_wait);
  /// True inside the callback of a request.
  [[nodiscard]] bool is_inside();

 private:
  struct Reader {
    PartitionId partition;
    std::shared_ptr<Subscription> subscription;
    /// Whether on_replaced was called for it.
    std::shared_ptr<const std::atomic<bool>> was_replaced;
  };

  [[nodiscard]] std::optional<PartitionId> find(const std::string& topic);
  /// The topic was made again. Ends its reader if it has lost its partition.
  void on_replaced(const std::string& topic);
  [[nodiscard]] Result<Reader> start(const std::string& topic,
                                     const std::optional<ReplyTopicCreation>& creation,
                                     const CallDeadline& deadline);

  const Means means_;
  /// Held while a reader starts; taken before mutex_.
  TimedGate starting_;
  std::mutex mutex_;
  std::map<std::string, Reader> readers_;
};

}  // namespace dohle::messaging
