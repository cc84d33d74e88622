#pragma once

#include <memory>
#include <utility>

#include "messaging/source/source.hpp"
#include "messaging/trace/tracing.hpp"

namespace dohle::messaging {

/// A Source with a `poll` span for each poll that brought messages or failed, linked to the `send`
/// spans of the messages, and a `commit` span for each commit. A commit whose answer never comes
/// ends its span as cancelled.
class TracedSource final : public Source {
 public:
  TracedSource(std::unique_ptr<Source> source, Tracing tracing, std::string topic)
      : source_(std::move(source)), tracing_(std::move(tracing)), topic_(std::move(topic)) {}

  void listen_to_topics(TopicListener listener) override {
    source_->listen_to_topics(std::move(listener));
  }
  Result<void> start(RebalanceListener listener) override;
  Result<PolledRecords> poll(std::chrono::milliseconds timeout) override;
  std::vector<TopicPartition> take_replaced() override { return source_->take_replaced(); }
  void wakeup() override;
  void commit_async(std::vector<PartitionOffset> offsets, client::CommitDone callback) override;
  client::CommitOutcome commit_sync(std::vector<PartitionOffset> offsets,
                                    std::chrono::milliseconds timeout) override;
  void pause(std::span<const TopicPartition> partitions) override;
  void resume(std::span<const TopicPartition> partitions) override;
  void seek(const TopicPartition& partition, Offset offset) override;
  Result<Offset> position(const TopicPartition& partition) override;
  [[nodiscard]] std::optional<std::int64_t> lag(const TopicPartition& partition) const override;
  Result<void> leave() override;
  Result<void> close(std::chrono::milliseconds timeout) override;

 private:
  [[nodiscard]] std::unique_ptr<Span> start_commit(std::span<const PartitionOffset> offsets) const;

  const std::unique_ptr<Source> source_;
  const Tracing tracing_;
  const std::string topic_;
};

}  // namespace dohle::messaging
