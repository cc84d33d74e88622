#include "client/produce_partition.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/broker_errors.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using Next = ProducePartition::Next;

constexpr TimePoint start{1h};
constexpr NodeId leader{1};
constexpr NodeId other_leader{2};

/// What a server reads of a batch.
wire::BatchHeader header_of(const SealedBatch& batch) {
  auto whole = batch.bytes.flatten();
  EXPECT_TRUE(wire::batch_crc_matches(whole->bytes()));
  return *wire::read_batch_header(whole->bytes());
}

class Partition : public testing::Test, public ProducePartition::Events {
 protected:
  Partition() { sender_.offer({ProducerId{7}, ProducerEpoch{0}}); }

  void on_settled(const SealedBatch& batch, const std::optional<Error>& why) override {
    settled_ += static_cast<int>(batch.count);
    if (why) failures_.push_back(*why);
  }

  OpenBatch batch(std::int32_t records, std::vector<DeliveryCall> calls = {}) {
    wire::BatchBuilder builder(budget_, 1 << 20);
    for (std::int32_t i = 0; i < records; ++i) {
      const std::string value = "record " + std::to_string(++written_);
      EXPECT_EQ(builder.append({.value = as_bytes(value)}, Timestamp{1'000 + i}),
                wire::BatchBuilder::Appended::ok);
    }
    detail::OutcomeRef outcome(
        new detail::Outcome({}, 1, PartitionId{3}, builder.base_timestamp()));
    outcomes_.push_back(outcome);
    return {std::move(builder), std::move(outcome), std::move(calls), start, ++serial_};
  }
  /// Seals a batch of that many records and returns its order.
  std::uint64_t send(std::int32_t records) {
    EXPECT_EQ(sender_.next(leader, start), Next::fresh);
    return sender_.seal(batch(records), wire::Compression::none, {}, 120s, leader).order;
  }
  void succeed(std::uint64_t order, Offset base) {
    sender_.on_verdict(order, {.base_offset = base}, start);
  }
  void refuse(std::uint64_t order, std::int16_t code, TimePoint retry_at = start) {
    sender_.on_verdict(order, {.error = Error::broker(code)}, retry_at);
  }
  void expire(TimePoint now) {
    EXPECT_TRUE(sender_.is_overdue(now));
    sender_.expire(now, Error::client(Errc::timed_out, "too late"));
    EXPECT_FALSE(sender_.is_overdue(now));
  }
  void lose(std::uint64_t order) {
    const Error why = Error::client(Errc::connection_lost, "gone");
    sender_.on_verdict(order, {.error = why, .is_unanswered = true}, start);
  }

  Budget budget_{1 << 20};
  int written_ = 0;
  std::uint64_t serial_ = 0;
  int settled_ = 0;
  std::vector<Error> failures_;
  std::vector<detail::OutcomeRef> outcomes_;
  ProducePartition sender_{*this};
};

TEST_F(Partition, NumbersRecordsWhenTheyAreSealed) {
  send(3);
  const auto& second = sender_.seal(batch(2), wire::Compression::none, {}, 120s, leader);
  EXPECT_EQ(second.base_sequence, 3);
  const auto header = header_of(second);
  EXPECT_EQ(header.producer_id, ProducerId{7});
  EXPECT_EQ(header.base_sequence, 3);
  EXPECT_EQ(header.count, 2);
}

TEST_F(Partition, TellsEachRecordItsOffset) {
  const auto order = send(2);
  succeed(order, Offset{40});
  const auto receipt = outcomes_[0]->of(1, 1);
  ASSERT_TRUE(receipt);
  EXPECT_EQ(receipt->offset, Offset{41});
  EXPECT_EQ(receipt->partition, PartitionId{3});
  EXPECT_EQ(receipt->timestamp, Timestamp{1'001});
}

TEST_F(Partition, SendsAtMostFiveAtOnce) {
  for (int i = 0; i < 5; ++i) send(1);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing);
}

TEST_F(Partition, SendsOnlyTheOldestUntilItSucceeds) {
  const auto first = send(1), second = send(1), third = send(1);
  lose(first);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing) << "others are unresolved";
  lose(second);
  lose(third);
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(sender_.resend(leader).order, first);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing);
  succeed(first, Offset{0});
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(sender_.resend(leader).order, second);
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(sender_.resend(leader).order, third);
}

TEST_F(Partition, ResendsTheSameBytes) {
  EXPECT_EQ(sender_.next(leader, start), Next::fresh);
  const auto& sealed = sender_.seal(batch(2), wire::Compression::none, {}, 120s, leader);
  const std::string before(sealed.bytes.flatten()->text());
  lose(sealed.order);
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(sender_.resend(leader).bytes.flatten()->text(), before);
}

TEST_F(Partition, WaitsForTheBackoff) {
  const auto order = send(1);
  refuse(order, broker_error::not_leader_or_follower, start + 1s);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing);
  EXPECT_EQ(sender_.next(leader, start + 1s), Next::resend);
}

TEST_F(Partition, GivesANewLeaderNothingBeforeTheOldOneAnswered) {
  const auto order = send(1);
  EXPECT_EQ(sender_.next(other_leader, start), Next::nothing);
  refuse(order, broker_error::not_leader_or_follower);
  EXPECT_EQ(sender_.next(other_leader, start), Next::resend);
}

TEST_F(Partition, TakesADuplicateForStored) {
  const auto order = send(1);
  refuse(order, broker_error::duplicate_sequence_number);
  EXPECT_TRUE(failures_.empty());
  const auto receipt = outcomes_[0]->of(0, 0);
  ASSERT_TRUE(receipt);
  EXPECT_TRUE(receipt->offset.is_none());
}

TEST_F(Partition, ResendsWhatCameOutOfOrderBehindAFailure) {
  const auto first = send(1), second = send(1);
  refuse(first, broker_error::not_enough_replicas);
  refuse(second, broker_error::out_of_order_sequence_number);
  EXPECT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(sender_.identity().epoch, ProducerEpoch{0});
}

TEST_F(Partition, ChangesTheEpochOnlyWhenNothingIsUnderWay) {
  const auto first = send(4), second = send(2);
  refuse(second, broker_error::unknown_producer_id);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing) << "the first is still under way";
  succeed(first, Offset{0});
  EXPECT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(sender_.identity().epoch, ProducerEpoch{1});
}

TEST_F(Partition, NumbersAnewUnderTheNextEpoch) {
  const auto first = send(4), second = send(2);
  succeed(first, Offset{0});
  refuse(second, broker_error::out_of_order_sequence_number);
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  const auto header = header_of(sender_.resend(leader));
  EXPECT_EQ(header.producer_epoch, ProducerEpoch{1});
  EXPECT_EQ(header.base_sequence, 0);
  EXPECT_EQ(header.count, 2);
}

TEST_F(Partition, AsksAboutOldNumbersBeforeItTakesNewOnes) {
  ASSERT_EQ(sender_.next(leader, start), Next::fresh);
  const auto first = sender_.seal(batch(4), wire::Compression::none, {}, 60s, leader).order;
  const auto second = send(2), third = send(1);
  for (const auto order : {first, second, third}) lose(order);
  expire(start + 60s);
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  const auto again = header_of(sender_.resend(leader));
  EXPECT_EQ(again.producer_epoch, ProducerEpoch{0}) << "it may be there under this number";
  EXPECT_EQ(again.base_sequence, 4);
  // The first never arrived, so neither is behind it.
  refuse(second, broker_error::out_of_order_sequence_number);
  for (const std::int32_t sequence : {0, 2}) {
    ASSERT_EQ(sender_.next(leader, start), Next::resend);
    const SealedBatch& batch = sender_.resend(leader);
    EXPECT_EQ(header_of(batch).producer_epoch, ProducerEpoch{1});
    EXPECT_EQ(header_of(batch).base_sequence, sequence);
    succeed(batch.order, Offset{sequence});
  }
  EXPECT_TRUE(sender_.is_idle());
  EXPECT_EQ(failures_.size(), 1u);
}

TEST_F(Partition, AsksForANewIdWhenItsEpochsAreUsedUp) {
  ProducePartition last(*this);
  last.offer({ProducerId{7}, ProducerEpoch{INT16_MAX}});
  ASSERT_EQ(last.next(leader, start), Next::fresh);
  const auto order = last.seal(batch(1), wire::Compression::none, {}, 120s, leader).order;
  last.on_verdict(order, {.error = Error::broker(broker_error::unknown_producer_id)}, start);
  EXPECT_EQ(last.next(leader, start), Next::new_identity);
  last.offer({ProducerId{8}, ProducerEpoch{0}});
  ASSERT_EQ(last.next(leader, start), Next::resend);
  EXPECT_EQ(header_of(last.resend(leader)).producer_id, ProducerId{8});
}

TEST_F(Partition, SplitsWhatIsTooLarge) {
  std::vector<std::int64_t> offsets;
  std::vector<DeliveryCall> calls;
  for (std::uint32_t i = 0; i < 3; ++i) {
    calls.push_back({i, 0, [&](Result<Receipt> told) { offsets.push_back(told->offset.value); }});
  }
  ASSERT_EQ(sender_.next(leader, start), Next::fresh);
  const auto order =
      sender_.seal(batch(3, std::move(calls)), wire::Compression::none, {}, 120s, leader).order;
  refuse(order, broker_error::message_too_large);
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  const auto& first = sender_.resend(leader);
  EXPECT_EQ(header_of(first).count, 1);
  EXPECT_EQ(header_of(first).producer_epoch, ProducerEpoch{1});
  const auto first_order = first.order;
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  const auto& second = sender_.resend(leader);
  EXPECT_EQ(header_of(second).count, 2);
  EXPECT_EQ(header_of(second).base_sequence, 1);
  const auto second_order = second.order;
  succeed(first_order, Offset{10});
  EXPECT_FALSE(outcomes_[0]->is_settled());
  succeed(second_order, Offset{90});
  EXPECT_TRUE(outcomes_[0]->is_settled());
  EXPECT_EQ(offsets, (std::vector<std::int64_t>{10, 90, 91}));
}

TEST_F(Partition, FailsASingleRecordThatIsTooLarge) {
  const auto order = send(1);
  refuse(order, broker_error::message_too_large);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_TRUE(failures_[0].is_broker(broker_error::message_too_large));
  EXPECT_EQ(failures_[0].stored(), Stored::no);
}

TEST_F(Partition, TellsARecordItsOwnFault) {
  const auto order = send(2);
  const Error whole = Error::broker(broker_error::invalid_record, {}, "a record is at fault");
  const Error own = Error::broker(broker_error::invalid_record, {}, "no key");
  sender_.on_verdict(order, {.error = whole, .record_errors = {{1, own}}}, start);
  EXPECT_EQ(outcomes_[0]->of(0, 0).error().server_message(), "a record is at fault");
  EXPECT_EQ(outcomes_[0]->of(1, 0).error().server_message(), "no key");
}

TEST_F(Partition, SaysPossiblyStoredWhenTimeRunsOutInFlight) {
  const auto order = send(1);
  expire(start + 120s);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_TRUE(failures_[0].is(Errc::timed_out));
  EXPECT_EQ(failures_[0].stored(), Stored::possibly);
  EXPECT_EQ(sender_.next(leader, start + 120s), Next::fresh);
  lose(order);
  EXPECT_EQ(settled_, 1) << "it is settled once";
  ASSERT_EQ(sender_.next(leader, start + 120s), Next::fresh);
  EXPECT_EQ(sender_.identity().epoch, ProducerEpoch{1}) << "whether it is stored is unknown";
}

TEST_F(Partition, SaysNotStoredWhenTheServerHadRefusedIt) {
  const auto order = send(1);
  refuse(order, broker_error::not_enough_replicas);
  expire(start + 120s);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].stored(), Stored::no);
  EXPECT_TRUE(sender_.is_idle());
}

TEST_F(Partition, KnowsWhatTheLastAttemptCameTo) {
  EXPECT_EQ(sender_.last_failure(), nullptr);
  const auto order = send(1);
  EXPECT_FALSE(sender_.is_overdue(start + 119s));
  refuse(order, broker_error::kafka_storage_error);
  ASSERT_NE(sender_.last_failure(), nullptr);
  EXPECT_TRUE(sender_.last_failure()->is_broker(broker_error::kafka_storage_error));
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  succeed(sender_.resend(leader).order, Offset{0});
  EXPECT_EQ(sender_.last_failure(), nullptr);
}

TEST_F(Partition, FailsEverythingAtTheEnd) {
  send(1);
  const auto second = send(2);
  lose(second);
  sender_.fail_all(Error::client(Errc::closed, "closed"));
  EXPECT_EQ(settled_, 3);
  EXPECT_EQ(failures_.size(), 2u);
}

}  // namespace
}  // namespace dohle::client
