#include "log/producer_state.hpp"

#include <gtest/gtest.h>

#include "base/broker_errors.hpp"

namespace dohle::log {
namespace {

wire::BatchHeader batch(std::int16_t epoch, std::int32_t sequence, std::int32_t count,
                        std::int64_t offset = 0) {
  wire::BatchHeader header;
  header.producer_id = ProducerId{7};
  header.producer_epoch = ProducerEpoch{epoch};
  header.base_sequence = sequence;
  header.count = count;
  header.last_offset_delta = count - 1;
  header.base_offset = Offset{offset};
  header.max_timestamp = Timestamp{offset};
  return header;
}

bool is_accepted(const ProducerState& state, const wire::BatchHeader& header) {
  return std::holds_alternative<ProducerState::Accept>(state.judge(header));
}
std::int16_t refusal(const ProducerState& state, const wire::BatchHeader& header) {
  const auto verdict = state.judge(header);
  const auto* refused = std::get_if<ProducerState::Refuse>(&verdict);
  return refused != nullptr ? refused->code : broker_error::none;
}

Slice snapshot_of(ProducerState& state) {
  Slice snapshot = ProducerState::snapshot(state.begin_view());
  state.end_view();
  return snapshot;
}

TEST(ProducerState, a_producer_continues_without_a_gap) {
  ProducerState state;
  EXPECT_TRUE(is_accepted(state, batch(0, 5, 1)));
  state.stored(batch(0, 0, 3));
  EXPECT_TRUE(is_accepted(state, batch(0, 3, 2)));
  EXPECT_EQ(refusal(state, batch(0, 4, 1)), broker_error::out_of_order_sequence_number);
  EXPECT_EQ(refusal(state, batch(0, 2, 1)), broker_error::out_of_order_sequence_number);
}

TEST(ProducerState, recognizes_the_last_five_batches) {
  ProducerState state;
  for (std::int32_t i = 0; i < 6; ++i) state.stored(batch(0, 2 * i, 2, 100 + 2 * i));
  for (std::int32_t i = 1; i < 6; ++i) {
    const auto verdict = state.judge(batch(0, 2 * i, 2));
    const auto* duplicate = std::get_if<ProducerState::Duplicate>(&verdict);
    ASSERT_NE(duplicate, nullptr) << i;
    EXPECT_EQ(duplicate->base_offset, Offset{100 + 2 * i});
  }
  EXPECT_EQ(refusal(state, batch(0, 0, 2)), broker_error::out_of_order_sequence_number);
}

TEST(ProducerState, an_older_epoch_is_fenced_and_a_newer_one_begins_at_0) {
  ProducerState state;
  state.stored(batch(3, 0, 1));
  EXPECT_EQ(refusal(state, batch(2, 1, 1)), broker_error::invalid_producer_epoch);
  EXPECT_EQ(refusal(state, batch(4, 1, 1)), broker_error::out_of_order_sequence_number);
  EXPECT_TRUE(is_accepted(state, batch(4, 0, 1)));
  state.stored(batch(4, 0, 1));
  EXPECT_EQ(refusal(state, batch(3, 1, 1)), broker_error::invalid_producer_epoch);
}

TEST(ProducerState, sequences_wrap_to_0_after_the_largest) {
  ProducerState state;
  state.stored(batch(0, INT32_MAX - 1, 3));
  EXPECT_TRUE(is_accepted(state, batch(0, 1, 1)));
  EXPECT_EQ(refusal(state, batch(0, 0, 1)), broker_error::out_of_order_sequence_number);
}

TEST(ProducerState, forgets_producers_without_recent_batches) {
  ProducerState state;
  state.stored(batch(0, 0, 1, 50), Timestamp{50});
  state.expire(Timestamp{50}, Timestamp{100});
  EXPECT_EQ(state.size(), 1u);
  state.expire(Timestamp{51}, Timestamp{100});
  EXPECT_EQ(state.size(), 0u);
}

TEST(ProducerState, producers_read_from_the_log_expire_a_period_after_the_first_check) {
  ProducerState state;
  state.stored(batch(0, 0, 1, 50));
  state.expire(Timestamp{1000}, Timestamp{2000});
  EXPECT_EQ(state.size(), 1u);
  state.expire(Timestamp{2001}, Timestamp{3000});
  EXPECT_EQ(state.size(), 0u);
}

TEST(ProducerState, a_snapshot_keeps_the_last_batch_of_each) {
  ProducerState state;
  state.stored(batch(3, 0, 3, 10));
  state.stored(batch(3, 3, 2, 13));
  const auto again = ProducerState::from_snapshot(snapshot_of(state).bytes());
  ASSERT_TRUE(again.has_value());
  const auto verdict = again->judge(batch(3, 3, 2));
  ASSERT_TRUE(std::holds_alternative<ProducerState::Duplicate>(verdict));
  EXPECT_EQ(std::get<ProducerState::Duplicate>(verdict).base_offset, Offset{13});
  EXPECT_TRUE(is_accepted(*again, batch(3, 5, 1)));
  EXPECT_EQ(refusal(*again, batch(2, 5, 1)), broker_error::invalid_producer_epoch);
  EXPECT_EQ(refusal(*again, batch(3, 6, 1)), broker_error::out_of_order_sequence_number);
}

TEST(ProducerState, a_snapshot_damaged_anywhere_is_refused) {
  ProducerState state;
  state.stored(batch(3, 0, 3, 10));
  const Slice whole = snapshot_of(state);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::vector<std::byte> bytes(whole.bytes().begin(), whole.bytes().end());
    EXPECT_FALSE(ProducerState::from_snapshot(Bytes(bytes).first(at)).has_value()) << at;
    bytes[at] ^= std::byte{1};
    EXPECT_FALSE(ProducerState::from_snapshot(bytes).has_value()) << at;
  }
}

}  // namespace
}  // namespace dohle::log
