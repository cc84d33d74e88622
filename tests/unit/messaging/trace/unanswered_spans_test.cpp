// Spans whose publish or commit is dropped by the part below, without an outcome.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/tracer.hpp"
#include "messaging/trace/publish_observer.hpp"
#include "messaging/trace/traced_source.hpp"
#include "messaging/trace/tracing.hpp"
#include "unit/telemetry/recorded_spans.hpp"

namespace dohle::messaging {
namespace {

using std::chrono::milliseconds;
using testing::IsEmpty;
using testing::SizeIs;

/// Keeps what is to be told of the commits.
class DeafSource final : public Source {
 public:
  explicit DeafSource(std::vector<client::CommitDone>& kept) : kept_(kept) {}

  Result<void> start(RebalanceListener /*listener*/) override { return {}; }
  Result<PolledRecords> poll(milliseconds /*timeout*/) override { return PolledRecords{}; }
  std::vector<TopicPartition> take_replaced() override { return {}; }
  void wakeup() override {}
  void commit_async(std::vector<PartitionOffset> /*offsets*/,
                    client::CommitDone callback) override {
    kept_.push_back(std::move(callback));
  }
  client::CommitOutcome commit_sync(std::vector<PartitionOffset> /*offsets*/,
                                    milliseconds /*timeout*/) override {
    return {};
  }
  void pause(std::span<const TopicPartition> /*partitions*/) override {}
  void resume(std::span<const TopicPartition> /*partitions*/) override {}
  void seek(const TopicPartition& /*partition*/, Offset /*offset*/) override {}
  Result<Offset> position(const TopicPartition& /*partition*/) override { return Offset{0}; }
  [[nodiscard]] std::optional<std::int64_t> lag(
      const TopicPartition& /*partition*/) const override {
    return std::nullopt;
  }
  Result<void> leave() override { return {}; }
  Result<void> close(milliseconds /*timeout*/) override { return {}; }

 private:
  std::vector<client::CommitDone>& kept_;
};

class UnansweredSpans : public testing::Test {
 protected:
  void expect_cancelled(std::string_view name) {
    const auto ended = spans_->all();
    ASSERT_THAT(ended, SizeIs(1));
    EXPECT_EQ(ended.front().name, name);
    EXPECT_EQ(ended.front().status, SpanStatus::error);
    EXPECT_EQ(text_of(ended.front(), "error.type"), "cancelled");
  }

  const std::shared_ptr<RecordedSpans> spans_ = std::make_shared<RecordedSpans>();
  const Tracing tracing_{.tracer = *make_tracer({.exporter = spans_})};
};

TEST_F(UnansweredSpans, of_a_publish_end_when_its_outcome_can_no_longer_come) {
  PublishObserver::Told told;
  Message message("text");
  const auto sent = trace_publish(tracing_, true, "t", message, [&](std::string_view, Message&) {
    told = PublishObserver::all();
    PublishObserver::mark_taken();
    return Result<Delivery>(Delivery());
  });
  ASSERT_TRUE(sent);
  EXPECT_THAT(spans_->all(), IsEmpty());
  told = nullptr;
  expect_cancelled("send t");
}

TEST_F(UnansweredSpans, of_a_commit_end_when_its_answer_can_no_longer_come) {
  std::vector<client::CommitDone> kept;
  TracedSource source(std::make_unique<DeafSource>(kept), tracing_, "t");
  source.commit_async({PartitionOffset{{"t", PartitionId{0}}, {.offset = Offset{7}}}}, nullptr);
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_THAT(spans_->all(), IsEmpty());
  kept.clear();
  expect_cancelled("commit t");
}

}  // namespace
}  // namespace dohle::messaging
