#include "client/produce/produce_partition.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/broker_errors.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using Next = ProducePartition::Next;

constexpr TimePoint start{1h};
constexpr NodeId leader{1};
constexpr NodeId other_leader{2};

/// The header of a batch as a server reads it.
wire::BatchHeader header_of(const SealedBatch& batch) {
  auto whole = batch.bytes.flatten();
  EXPECT_TRUE(wire::batch_crc_matches(whole->bytes()));
  return *wire::read_batch_header(whole->bytes());
}

std::vector<std::string> values_of(const Chain& batch) {
  std::vector<std::string> values;
  auto reader = wire::BatchReader::open(*batch.flatten());
  RecordView view;
  while (reader && reader->next(view)) values.emplace_back(as_text(*view.value));
  return values;
}

class Partition : public testing::Test, public ProducePartition::Events {
 protected:
  explicit Partition(std::optional<std::int32_t> retries = std::nullopt)
      : sender_(*this, "orders-3", retries) {
    sender_.offer({ProducerId{7}, ProducerEpoch{0}});
  }

  void on_outcome(const SealedBatch& batch, const Outcome::Part& outcome) override {
    EXPECT_FALSE(batch.outcome->is_settled());
    heard_ += static_cast<int>(outcome.count);
  }
  void on_settled(SealedBatch& batch, const std::optional<Error>& why) override {
    EXPECT_GE(heard_, settled_);
    settled_ += static_cast<int>(batch.count);
    if (why) failures_.push_back(*why);
  }
  void on_thrown() override { ++thrown_; }
  void on_too_large(std::uint64_t order, Chain whole) override {
    splits_.emplace_back(order, std::move(whole));
  }
  /// Splits batches as a worker does.
  void split_now() {
    for (auto& [order, whole] : std::exchange(splits_, {})) {
      sender_.on_halves(order, split_batch(whole, {}));
    }
  }

  OpenBatch batch(std::int32_t records, std::vector<DeliveryCall> calls = {}) {
    wire::BatchBuilder builder(budget_, 1 << 20);
    for (std::int32_t i = 0; i < records; ++i) {
      const std::string value = "record " + std::to_string(++written_);
      EXPECT_EQ(builder.append({.value = as_bytes(value)}, Timestamp{1'000 + i}),
                wire::BatchBuilder::Appended::ok);
    }
    client::OutcomeRef outcome(
        new client::Outcome({}, "orders", 1, PartitionId{3}, builder.base_timestamp()));
    outcomes_.push_back(outcome);
    return {std::move(builder), std::move(outcome), std::move(calls), start, ++serial_, nullptr};
  }
  /// Seals a batch of that many records. Returns its order.
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
  void lose(std::uint64_t order) {
    const Error why = Error::client(Errc::connection_lost, "gone");
    sender_.on_verdict(order, {.error = why, .is_unanswered = true}, start);
  }

  Budget budget_{1 << 20};
  int written_ = 0;
  std::uint64_t serial_ = 0;
  int settled_ = 0;
  int heard_ = 0;
  int thrown_ = 0;
  std::vector<Error> failures_;
  std::vector<std::pair<std::uint64_t, Chain>> splits_;
  std::vector<client::OutcomeRef> outcomes_;
  ProducePartition sender_;
};

/// The server has accepted the producer's first record.
class KnownPartition : public Partition {
 protected:
  KnownPartition() {
    succeed(send(1), Offset{0});
    settled_ = 0;
    outcomes_.clear();
  }
};

TEST_F(Partition, SendsTheFirstBatchOfAnEpochAlone) {
  const auto first = send(4);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing) << "the server might take the second alone";
  succeed(first, Offset{0});
  const auto second = send(2), third = send(1);
  refuse(second, broker_error::unknown_producer_id);
  refuse(third, broker_error::unknown_producer_id);
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(header_of(sender_.resend(leader)).producer_epoch, ProducerEpoch{1});
  EXPECT_EQ(sender_.next(leader, start), Next::nothing);
  succeed(second, Offset{4});
  EXPECT_EQ(sender_.next(leader, start), Next::resend);
  (void)sender_.resend(leader);
  EXPECT_EQ(sender_.next(leader, start), Next::fresh);
}

TEST_F(Partition, SendsUnnumberedBatchesAtOnce) {
  ProducePartition plain(*this, "orders-0");
  (void)plain.seal(batch(1), wire::Compression::none, {}, 120s, leader);
  EXPECT_EQ(plain.next(leader, start), Next::fresh);
}

TEST_F(Partition, NumbersRecordsWhenTheyAreSealed) {
  send(3);
  const auto& second = sender_.seal(batch(2), wire::Compression::none, {}, 120s, leader);
  EXPECT_EQ(second.base_sequence, 3);
  const auto header = header_of(second);
  EXPECT_EQ(header.producer_id, ProducerId{7});
  EXPECT_EQ(header.base_sequence, 3);
  EXPECT_EQ(header.count, 2);
}

TEST_F(Partition, GivesEachRecordItsOffset) {
  const auto order = send(2);
  succeed(order, Offset{40});
  const auto receipt = outcomes_[0]->of(1, 1);
  ASSERT_TRUE(receipt);
  EXPECT_EQ(receipt->offset, Offset{41});
  EXPECT_EQ(receipt->partition, PartitionId{3});
  EXPECT_EQ(receipt->timestamp, Timestamp{1'001});
}

TEST_F(KnownPartition, SendsAtMostFiveAtOnce) {
  for (int i = 0; i < 5; ++i) send(1);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing);
}

TEST_F(KnownPartition, SendsOnlyTheOldestUntilItSucceeds) {
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

TEST_F(Partition, SendsNoBatchToANewLeaderBeforeTheOldOneAnswered) {
  const auto order = send(1);
  EXPECT_EQ(sender_.next(other_leader, start), Next::nothing);
  refuse(order, broker_error::not_leader_or_follower);
  EXPECT_EQ(sender_.next(other_leader, start), Next::resend);
}

TEST_F(Partition, TreatsADuplicateAsStored) {
  const auto order = send(1);
  refuse(order, broker_error::duplicate_sequence_number);
  EXPECT_TRUE(failures_.empty());
  const auto receipt = outcomes_[0]->of(0, 0);
  ASSERT_TRUE(receipt);
  EXPECT_TRUE(receipt->offset.is_none());
}

TEST_F(KnownPartition, ResendsABatchThatWasOutOfOrderAfterAFailure) {
  const auto first = send(1), second = send(1);
  refuse(first, broker_error::not_enough_replicas);
  refuse(second, broker_error::out_of_order_sequence_number);
  EXPECT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(sender_.identity().epoch, ProducerEpoch{0});
}

TEST_F(KnownPartition, ChangesTheEpochOnlyWhenNoBatchIsInFlight) {
  const auto first = send(4), second = send(2);
  refuse(second, broker_error::unknown_producer_id);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing) << "the first is still under way";
  succeed(first, Offset{0});
  EXPECT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(sender_.identity().epoch, ProducerEpoch{1});
}

TEST_F(KnownPartition, NumbersBatchesAgainUnderTheNextEpoch) {
  const auto first = send(4), second = send(2);
  succeed(first, Offset{0});
  refuse(second, broker_error::out_of_order_sequence_number);
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  const auto header = header_of(sender_.resend(leader));
  EXPECT_EQ(header.producer_epoch, ProducerEpoch{1});
  EXPECT_EQ(header.base_sequence, 0);
  EXPECT_EQ(header.count, 2);
}

// Three batches on a lost connection. The first one expires before the others.
class LateBatches : public KnownPartition {
 protected:
  LateBatches() {
    EXPECT_EQ(sender_.next(leader, start), Next::fresh);
    first_ = sender_.seal(batch(4), wire::Compression::none, {}, 60s, leader).order;
    second_ = send(2);
    third_ = send(1);
  }
  void lose_all() {
    for (const auto order : {first_, second_, third_}) lose(order);
  }
  /// The next batch that is sent again, with its epoch and sequence.
  wire::BatchHeader again() {
    EXPECT_EQ(sender_.next(leader, start), Next::resend);
    return header_of(sender_.resend(leader));
  }
  void expect_again(std::int16_t epoch, std::int32_t sequence) {
    const auto header = again();
    EXPECT_EQ(header.producer_epoch, ProducerEpoch{epoch});
    EXPECT_EQ(header.base_sequence, sequence);
  }

  std::uint64_t first_ = 0;
  std::uint64_t second_ = 0;
  std::uint64_t third_ = 0;
};

TEST_F(LateBatches, AreSentAgainUnderTheirNumbersWhileTheyMayArriveOnTheOldConnection) {
  lose_all();
  sender_.expire(start + 60s);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].stored(), Stored::possibly);
  expect_again(0, 1);
  refuse(first_, broker_error::not_enough_replicas);
  expect_again(0, 1);
  succeed(first_, Offset{0});
  expect_again(0, 5);
  refuse(second_, broker_error::duplicate_sequence_number);
  expect_again(0, 7);
  succeed(third_, Offset{6});
  EXPECT_TRUE(sender_.is_idle());
  EXPECT_EQ(settled_, 7);
  EXPECT_EQ(failures_.size(), 1u);
  EXPECT_EQ(sender_.next(leader, start), Next::fresh);
  EXPECT_EQ(sender_.identity().epoch, ProducerEpoch{0}) << "nothing is missing";
}

TEST_F(LateBatches, AreGivenUpTogether) {
  lose_all();
  sender_.expire(start + 60s);
  sender_.expire(start + 120s);
  EXPECT_EQ(failures_.size(), 3u);
  EXPECT_TRUE(sender_.is_idle());
  EXPECT_EQ(sender_.next(leader, start), Next::fresh);
  EXPECT_EQ(sender_.identity().epoch, ProducerEpoch{1}) << "they may still arrive under the other";
}

TEST_F(LateBatches, AreGivenUpTogetherAlsoWhenTheFirstIsInFlight) {
  lose_all();
  sender_.expire(start + 60s);
  expect_again(0, 1);
  sender_.expire(start + 120s);
  EXPECT_EQ(failures_.size(), 3u);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing);
  lose(first_);
  EXPECT_TRUE(sender_.is_idle());
  EXPECT_EQ(sender_.next(leader, start), Next::fresh);
  EXPECT_EQ(sender_.identity().epoch, ProducerEpoch{1});
}

TEST_F(LateBatches, AreNotDroppedBeforeLaterOnesAreAnswered) {
  sender_.expire(start + 60s);
  EXPECT_EQ(failures_.size(), 1u);
  lose_all();
  expect_again(0, 1);
}

TEST_F(LateBatches, TakeNewNumbersAfterOneThatWasRefused) {
  refuse(first_, broker_error::not_enough_replicas);
  lose(second_);
  lose(third_);
  sender_.expire(start + 60s);
  EXPECT_EQ(failures_.size(), 1u);
  // The first is not stored, so no batch after it is stored.
  expect_again(1, 0);
  succeed(second_, Offset{0});
  expect_again(1, 2);
  succeed(third_, Offset{2});
  EXPECT_TRUE(sender_.is_idle());
}

TEST_F(LateBatches, AreSentUnderOldNumbersBeforeTheyTakeNewOnes) {
  lose_all();
  expect_again(0, 1);
  refuse(first_, broker_error::invalid_record);
  EXPECT_EQ(failures_.size(), 1u);
  expect_again(0, 5);
  refuse(second_, broker_error::out_of_order_sequence_number);
  expect_again(1, 0);
  succeed(second_, Offset{0});
  expect_again(1, 2);
  succeed(third_, Offset{2});
  EXPECT_TRUE(sender_.is_idle());
}

TEST_F(LateBatches, AreNotSplitOnceTheirCallersHaveTheirOutcome) {
  lose_all();
  sender_.expire(start + 60s);
  expect_again(0, 1);
  refuse(first_, broker_error::message_too_large);
  expect_again(1, 0);
  succeed(second_, Offset{0});
  expect_again(1, 2);
  succeed(third_, Offset{2});
  EXPECT_TRUE(sender_.is_idle());
  EXPECT_EQ(failures_.size(), 1u);
}

TEST_F(Partition, DoesNotResendExpiredBatchesWithoutNumbers) {
  ProducePartition plain(*this, "orders-0");
  ASSERT_EQ(plain.next(leader, start), Next::fresh);
  const auto first = plain.seal(batch(1), wire::Compression::none, {}, 60s, leader).order;
  const auto second = plain.seal(batch(1), wire::Compression::none, {}, 120s, leader).order;
  const Error gone = Error::client(Errc::connection_lost, "gone");
  for (const auto order : {first, second}) {
    plain.on_verdict(order, {.error = gone, .is_unanswered = true}, start);
  }
  plain.expire(start + 60s);
  ASSERT_EQ(plain.next(leader, start), Next::resend);
  EXPECT_EQ(plain.resend(leader).order, second);
}

TEST_F(Partition, AsksForANewIdWhenItsEpochsAreUsedUp) {
  ProducePartition last(*this, "orders-3");
  last.offer({ProducerId{7}, ProducerEpoch{INT16_MAX}});
  ASSERT_EQ(last.next(leader, start), Next::fresh);
  const auto order = last.seal(batch(1), wire::Compression::none, {}, 120s, leader).order;
  last.on_verdict(order, {.error = Error::broker(broker_error::unknown_producer_id)}, start);
  EXPECT_EQ(last.next(leader, start), Next::new_identity);
  last.offer({ProducerId{8}, ProducerEpoch{0}});
  ASSERT_EQ(last.next(leader, start), Next::resend);
  EXPECT_EQ(header_of(last.resend(leader)).producer_id, ProducerId{8});
}

TEST_F(Partition, CallsTheOtherCallbacksWhenOneThrows) {
  std::vector<std::int64_t> offsets;
  std::vector<DeliveryCall> calls;
  for (std::uint32_t i = 0; i < 3; ++i) {
    calls.push_back({i, 0, [&, i](Result<Receipt> told) {
                       if (i == 1) throw std::runtime_error("no");
                       offsets.push_back(told->offset.value);
                     }});
  }
  ASSERT_EQ(sender_.next(leader, start), Next::fresh);
  const auto order =
      sender_.seal(batch(3, std::move(calls)), wire::Compression::none, {}, 120s, leader).order;
  succeed(order, Offset{10});
  EXPECT_EQ(thrown_, 1);
  EXPECT_EQ(offsets, (std::vector<std::int64_t>{10, 12}));
  EXPECT_EQ(settled_, 3);
}

TEST_F(Partition, SplitsABatchThatIsTooLarge) {
  std::vector<std::int64_t> offsets;
  std::vector<DeliveryCall> calls;
  for (std::uint32_t i = 0; i < 3; ++i) {
    calls.push_back({i, 0, [&](Result<Receipt> told) { offsets.push_back(told->offset.value); }});
  }
  ASSERT_EQ(sender_.next(leader, start), Next::fresh);
  const auto order =
      sender_.seal(batch(3, std::move(calls)), wire::Compression::none, {}, 120s, leader).order;
  refuse(order, broker_error::message_too_large);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing) << "its halves are being made";
  split_now();
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  const auto& first = sender_.resend(leader);
  EXPECT_EQ(header_of(first).count, 1);
  EXPECT_EQ(header_of(first).producer_epoch, ProducerEpoch{1});
  succeed(first.order, Offset{10});
  EXPECT_FALSE(outcomes_[0]->is_settled());
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  const auto& second = sender_.resend(leader);
  EXPECT_EQ(header_of(second).count, 2);
  EXPECT_EQ(header_of(second).base_sequence, 1);
  succeed(second.order, Offset{90});
  EXPECT_TRUE(outcomes_[0]->is_settled());
  EXPECT_EQ(offsets, (std::vector<std::int64_t>{10, 90, 91}));
}

TEST_F(Partition, SplitsDownToTheRecordAtFaultAndFailsOnlyThat) {
  std::map<std::uint32_t, Result<Receipt>> told;
  std::vector<DeliveryCall> calls;
  for (std::uint32_t i = 0; i < 7; ++i) {
    calls.push_back({i, 0, [&told, i](Result<Receipt> each) { told.emplace(i, each); }});
  }
  ASSERT_EQ(sender_.next(leader, start), Next::fresh);
  refuse(sender_.seal(batch(7, std::move(calls)), wire::Compression::none, {}, 120s, leader).order,
         broker_error::message_too_large);
  std::vector<std::string> stored;
  while (split_now(), sender_.next(leader, start) == Next::resend) {
    const SealedBatch& sent = sender_.resend(leader);
    const auto order = sent.order;
    const auto values = values_of(sent.bytes);
    if (std::ranges::find(values, "record 5") != values.end()) {
      sender_.on_verdict(
          order, {.error = Error::broker(broker_error::message_too_large, {}, "over 10")}, start);
    } else {
      const auto base = static_cast<std::int64_t>(stored.size());
      stored.insert(stored.end(), values.begin(), values.end());
      succeed(order, Offset{base});
    }
  }
  EXPECT_EQ(stored, (std::vector<std::string>{"record 1", "record 2", "record 3", "record 4",
                                              "record 6", "record 7"}));
  ASSERT_EQ(told.size(), 7u);
  for (const auto& [index, each] : told) EXPECT_EQ(each.has_value(), index != 4) << index;
  EXPECT_EQ(told.at(4).error().server_message(), "over 10");
  EXPECT_EQ(told.at(6)->offset, Offset{5});
  EXPECT_EQ(failures_.size(), 1u);
  EXPECT_TRUE(sender_.is_idle());
}

TEST_F(KnownPartition, HoldsBackBatchesAfterOneThatIsSplit) {
  const auto first = send(2), second = send(1);
  refuse(first, broker_error::message_too_large);
  refuse(second, broker_error::out_of_order_sequence_number);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing);
  split_now();
  for (const std::int32_t sequence : {0, 1, 2}) {
    ASSERT_EQ(sender_.next(leader, start), Next::resend);
    const SealedBatch& sent = sender_.resend(leader);
    EXPECT_EQ(header_of(sent).base_sequence, sequence);
    EXPECT_EQ(header_of(sent).producer_epoch, ProducerEpoch{1});
    succeed(sent.order, Offset{sequence});
  }
}

TEST_F(Partition, SplitsUnnumberedBatchesToo) {
  ProducePartition plain(*this, "orders-3");
  const auto order = plain.seal(batch(2), wire::Compression::none, {}, 120s, leader).order;
  plain.on_verdict(order, {.error = Error::broker(broker_error::message_too_large)}, start);
  EXPECT_EQ(plain.next(leader, start), Next::nothing) << "a fresh batch would overtake it";
  plain.on_halves(order, split_batch(splits_.at(0).second, {}));
  for (const auto* value : {"record 1", "record 2"}) {
    ASSERT_EQ(plain.next(leader, start), Next::resend);
    const SealedBatch& half = plain.resend(leader);
    EXPECT_TRUE(header_of(half).producer_id.is_none());
    EXPECT_EQ(values_of(half.bytes), std::vector<std::string>{value});
  }
}

TEST_F(Partition, DropsTheHalvesOfAnExpiredBatch) {
  refuse(send(2), broker_error::message_too_large);
  sender_.expire(start + 120s);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].stored(), Stored::no);
  split_now();
  EXPECT_TRUE(sender_.is_idle());
  EXPECT_EQ(settled_, 2);
}

TEST_F(Partition, FailsABatchThatCannotBeSplit) {
  const auto order = send(2);
  refuse(order, broker_error::message_too_large);
  sender_.on_halves(order, fail(Error::client(Errc::limit_reached, "no memory")));
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_TRUE(failures_[0].is(Errc::limit_reached));
  EXPECT_TRUE(sender_.is_idle());
  EXPECT_EQ(sender_.next(leader, start), Next::fresh);
}

TEST_F(Partition, FailsASingleRecordThatIsTooLarge) {
  const auto order = send(1);
  refuse(order, broker_error::message_too_large);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_TRUE(failures_[0].is_broker(broker_error::message_too_large));
  EXPECT_EQ(failures_[0].stored(), Stored::no);
}

TEST_F(Partition, FailsARecordWithItsOwnError) {
  const auto order = send(2);
  const Error whole = Error::broker(broker_error::invalid_record, {}, "a record is at fault");
  const Error own = Error::broker(broker_error::invalid_record, {}, "no key");
  sender_.on_verdict(order, {.error = whole, .record_errors = {{1, own}}}, start);
  EXPECT_EQ(outcomes_[0]->of(0, 0).error().server_message(), "a record is at fault");
  EXPECT_EQ(outcomes_[0]->of(1, 0).error().server_message(), "no key");
}

TEST_F(KnownPartition, ReportsPossiblyStoredWhenABatchExpiresInFlight) {
  const auto order = send(1);
  sender_.expire(start + 120s);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_TRUE(failures_[0].is(Errc::timed_out));
  EXPECT_EQ(failures_[0].message(),
            "produce to orders-3: delivery_timeout passed without an answer");
  EXPECT_EQ(failures_[0].stored(), Stored::possibly);
  EXPECT_EQ(sender_.next(leader, start + 120s), Next::fresh);
  lose(order);
  EXPECT_EQ(settled_, 1) << "it is settled once";
  ASSERT_EQ(sender_.next(leader, start + 120s), Next::fresh);
  EXPECT_EQ(sender_.identity().epoch, ProducerEpoch{1}) << "whether it is stored is unknown";
}

TEST_F(KnownPartition, ReturnsTheTimeAtWhichItsNextBatchExpires) {
  EXPECT_EQ(sender_.expires_at(), never);
  const auto later = send(1);
  const auto sooner = sender_.seal(batch(1), wire::Compression::none, {}, 60s, leader).order;
  EXPECT_EQ(sender_.expires_at(), start + 60s);
  refuse(sooner, broker_error::not_enough_replicas);
  EXPECT_EQ(sender_.expires_at(), start + 60s) << "it goes again";
  sender_.expire(start + 60s - 1ns);
  EXPECT_TRUE(failures_.empty());
  sender_.expire(start + 60s);
  EXPECT_EQ(failures_.size(), 1u);
  EXPECT_EQ(sender_.expires_at(), start + 120s);
  sender_.expire(start + 120s);
  EXPECT_EQ(failures_.size(), 2u);
  EXPECT_EQ(sender_.expires_at(), never) << "for the answer alone";
  succeed(later, Offset{1});
  EXPECT_EQ(sender_.expires_at(), never);
}

TEST_F(Partition, ReportsABatchThatTheServerRefusedAsNotStored) {
  const auto order = send(1);
  refuse(order, broker_error::not_enough_replicas);
  sender_.expire(start + 120s);
  ASSERT_EQ(failures_.size(), 1u);
  const Error last = Error::broker(broker_error::not_enough_replicas);
  EXPECT_EQ(failures_[0].message(),
            "produce to orders-3: delivery_timeout passed; last: " + last.to_string());
  EXPECT_EQ(failures_[0].stored(), Stored::no);
  EXPECT_TRUE(sender_.is_idle());
}

TEST_F(KnownPartition, FailsAllBatchesAtTheEnd) {
  send(1);
  const auto second = send(2);
  lose(second);
  sender_.fail_all(Error::client(Errc::closed, "closed"));
  EXPECT_EQ(settled_, 3);
  EXPECT_EQ(failures_.size(), 2u);
}

TEST_F(KnownPartition, SendsNoMorePartsOfSplitBatchesAtOnceThanServersRemember) {
  std::vector<std::uint64_t> orders;
  for (int i = 0; i < 5; ++i) orders.push_back(send(2));
  for (const std::uint64_t order : orders) refuse(order, broker_error::message_too_large);
  split_now();
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  succeed(sender_.resend(leader).order, Offset{1});
  for (std::size_t i = 0; i < ProducePartition::max_in_flight; ++i) {
    ASSERT_EQ(sender_.next(leader, start), Next::resend);
    (void)sender_.resend(leader);
  }
  EXPECT_EQ(sender_.next(leader, start), Next::nothing) << "four more parts wait";
}

/// A batch is sent again twice at most.
class PartitionWithRetries : public Partition {
 protected:
  PartitionWithRetries() : Partition(2) { succeed(send(1), Offset{0}); }

  void refuse_again(std::uint64_t order) {
    ASSERT_EQ(sender_.next(leader, start), Next::resend);
    EXPECT_EQ(sender_.resend(leader).order, order);
    refuse(order, broker_error::not_enough_replicas);
  }
};

TEST_F(PartitionWithRetries, FailsABatchWithItsLastFailureOnceItsRetriesAreUsed) {
  const auto first = send(2), second = send(3);
  refuse(first, broker_error::not_enough_replicas);
  refuse(second, broker_error::out_of_order_sequence_number);
  refuse_again(first);
  EXPECT_TRUE(failures_.empty());
  refuse_again(first);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_TRUE(failures_.front().is_broker(broker_error::not_enough_replicas));
  EXPECT_EQ(failures_.front().message().substr(0, 38), "produce to orders-3: retries (2) are u");
  EXPECT_EQ(failures_.front().stored(), Stored::no);
  EXPECT_EQ(settled_, 3);
  // The second one's refusal was the first one's fault, so it has all its retries.
  refuse_again(second);
  refuse_again(second);
  EXPECT_EQ(failures_.size(), 1u);
  refuse_again(second);
  EXPECT_EQ(failures_.size(), 2u);
  EXPECT_EQ(sender_.next(leader, start), Next::fresh);
}

TEST_F(PartitionWithRetries, ReportsABatchWithoutAnAnswerAsPossiblyStored) {
  const auto order = send(1);
  lose(order);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(sender_.next(leader, start), Next::resend);
    (void)sender_.resend(leader);
    lose(order);
  }
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_.front().stored(), Stored::possibly);
}

TEST_F(KnownPartition, SendsSingleBatchesUntilTheOldestSucceedsEvenIfLaterOnesDo) {
  const auto first = send(1), second = send(1);
  refuse(first, broker_error::not_leader_or_follower);
  succeed(second, Offset{2});
  ASSERT_EQ(sender_.next(leader, start), Next::resend);
  EXPECT_EQ(sender_.resend(leader).order, first);
  EXPECT_EQ(sender_.next(leader, start), Next::nothing)
      << "the server might forget the number of the first batch";
  succeed(first, Offset{1});
  EXPECT_EQ(sender_.next(leader, start), Next::fresh);
}

}  // namespace
}  // namespace dohle::client
