#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_deadline.hpp"
#include "dohle/producer.hpp"

namespace dohle::messaging {

/// The options of a producer that a publish may set.
struct PipelineKey {
  Acks acks = Acks::all;
  /// If it is absent, the Broker's value applies.
  std::optional<std::int32_t> max_attempts = std::nullopt;
  /// If it is absent, the delivery timeout applies.
  std::optional<std::chrono::milliseconds> timeout = std::nullopt;

  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const PipelineKey&, const PipelineKey&) = default;
};

/// A producer of a Broker, for one topic or for all. Any thread, unless a member says otherwise.
class Pipeline {
 public:
  Pipeline(const PipelineKey& key_, std::string_view topic_, Producer producer_)
      : key(key_), topic(topic_), producer(std::move(producer_)) {}

  const PipelineKey key;
  /// If it is empty, the producer is that of all topics.
  const std::string topic;
  Producer producer;

  /// Its topic, once `resolved` has found it. Null before.
  [[nodiscard]] const ProducerTopic* known_topic() const {
    return resolved_.load(std::memory_order_acquire);
  }
  /// Its topic; the first call asks for it. `deadline` is the end of the publish's max_block; a
  /// call that has to wait sets it if it is absent. Errors: those of Producer::topic.
  Result<const ProducerTopic*> resolved(std::optional<CallDeadline>& deadline);
  /// Closes the producer if it holds no records, and returns the failures that it has not reported.
  /// Called on the client's thread.
  std::optional<FlushReport> close_if_idle();
  /// Whether close_if_idle has closed it.
  [[nodiscard]] bool is_forgotten() const { return is_forgotten_.load(std::memory_order_acquire); }
  /// Whether a record that the producer refused as closed may be published again: it was refused by
  /// close_if_idle alone.
  [[nodiscard]] bool was_refused_in_passing();

 private:
  std::mutex mutex_;
  std::optional<ProducerTopic> resolved_topic_;
  std::atomic<const ProducerTopic*> resolved_{nullptr};
  /// Set under mutex_.
  std::atomic<bool> is_forgotten_ = false;
};

/// The producers of a Broker: one for each combination that its publishes ask for, and if it is
/// asked for, for each topic. Any thread.
class Pipelines {
 public:
  static constexpr std::size_t max_combinations = 16;
  static constexpr std::size_t max_pipelines = 1'000;
  using Handle = std::shared_ptr<Pipeline>;

  /// The functions with which producers are created and forgotten.
  struct Means {
    std::function<Result<Producer>(const PipelineKey&)> make;
    /// Runs the function on the client's thread and waits for it.
    std::function<void(std::function<void()>)> on_clients_thread;
  };

  explicit Pipelines(std::size_t most = max_pipelines);

  /// Counts a combination as used, so that it is never refused.
  void admit_always(const PipelineKey& key);
  /// The pipeline if there is one, otherwise null. `topic` is empty for the one of all topics. The
  /// calling thread remembers it without a lock.
  [[nodiscard]] Handle find(const PipelineKey& key, std::string_view topic);
  /// Makes it on first use. At max_pipelines it forgets some that hold no records. Errors:
  /// limit_reached, for the combinations with those in use, or if all pipelines hold records;
  /// closed; the error of `make`.
  [[nodiscard]] Result<Handle> find_or_make(const PipelineKey& key, std::string_view topic,
                                            const Means& means);
  [[nodiscard]] std::vector<Handle> all() const;
  /// Makes no more, and returns all.
  [[nodiscard]] std::vector<Handle> close();
  /// The failures of forgotten pipelines that were not reported.
  [[nodiscard]] FlushReport take_report();
  /// Keeps the report for the next take_report.
  void keep_report(const FlushReport& report);

 private:
  [[nodiscard]] Handle look_up(const PipelineKey& key, std::string_view topic) const;
  [[nodiscard]] Result<void> admit(const PipelineKey& key) const;
  Result<Handle> make(const PipelineKey& key, std::string_view topic, const Means& means);
  /// The next ones after those of the last call.
  [[nodiscard]] std::vector<Handle> next_to_forget();
  void forget_idle(const std::vector<Handle>& candidates);
  void forget(const Handle& pipeline, const FlushReport& report);

  const std::size_t most_;
  /// Unique in the process: threads remember pipelines by it.
  const std::uint64_t serial_;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<Handle>, std::less<>> by_topic_;
  std::size_t count_ = 0;
  /// All combinations that were ever used.
  std::vector<PipelineKey> combinations_;
  /// The topic after which next_to_forget continues.
  std::string hand_;
  FlushReport report_;
  bool is_closed_ = false;
};

}  // namespace dohle::messaging
