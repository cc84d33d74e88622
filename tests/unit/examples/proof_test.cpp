#include "proof.hpp"

#include <gtest/gtest.h>

namespace birdstrikes {
namespace {

using dohle::Offset;
using dohle::PartitionId;

// Two keys in two partitions. Rows 1, 2 and 4 have key a.
std::vector<PublishedRow> published() {
  return {{1, PartitionId{0}, Offset{0}, "a", 11},
          {2, PartitionId{0}, Offset{1}, "a", 12},
          {3, PartitionId{1}, Offset{0}, "b", 13},
          {4, PartitionId{0}, Offset{2}, "a", 14}};
}

std::vector<StoredRow> stored() {
  std::vector<StoredRow> rows;
  for (const PublishedRow& row : published()) {
    rows.push_back({row.row, row.partition, row.offset, row.key, row.checksum});
  }
  return rows;
}

TEST(Proof, accepts_a_topic_that_holds_exactly_the_published_rows) {
  const Verdict verdict = judge(published(), stored());
  EXPECT_TRUE(verdict.holds());
  EXPECT_EQ(verdict.stored, 4u);
  EXPECT_EQ(verdict.stored_checksum, verdict.published_checksum);
  EXPECT_NE(verdict.stored_checksum, 0u);
}

TEST(Proof, names_a_lost_row) {
  auto rows = stored();
  rows.pop_back();
  const Verdict verdict = judge(published(), rows);
  EXPECT_EQ(verdict.lost, 1u);
  EXPECT_FALSE(verdict.holds());
}

TEST(Proof, names_a_row_that_is_stored_twice) {
  auto rows = stored();
  rows.push_back({2, PartitionId{0}, Offset{3}, "a", 12});
  const Verdict verdict = judge(published(), rows);
  EXPECT_EQ(verdict.twice, 1u);
  EXPECT_FALSE(verdict.holds());
}

TEST(Proof, names_rows_of_a_key_that_are_out_of_order) {
  auto sent = published();
  auto rows = stored();
  std::swap(sent[0].offset, sent[1].offset);
  rows[0] = {2, PartitionId{0}, Offset{0}, "a", 12};
  rows[1] = {1, PartitionId{0}, Offset{1}, "a", 11};
  const Verdict verdict = judge(sent, rows);
  EXPECT_EQ(verdict.out_of_order, 1u);
  EXPECT_EQ(verdict.elsewhere, 0u);
  EXPECT_FALSE(verdict.holds());
}

TEST(Proof, names_a_key_in_two_partitions) {
  auto sent = published();
  auto rows = stored();
  sent[3].partition = rows[3].partition = PartitionId{1};
  sent[3].offset = rows[3].offset = Offset{1};
  EXPECT_EQ(judge(sent, rows).out_of_order, 1u);
}

TEST(Proof, names_a_row_at_another_offset_than_the_acknowledged_one) {
  auto sent = published();
  sent[2].offset = Offset{7};
  EXPECT_EQ(judge(sent, stored()).elsewhere, 1u);
  sent[2].offset = {};  // the acknowledgement had no offset
  EXPECT_TRUE(judge(sent, stored()).holds());
}

TEST(Proof, names_other_bytes_and_other_keys) {
  auto rows = stored();
  rows[2].checksum = 99;
  EXPECT_EQ(judge(published(), rows).altered, 1u);
  EXPECT_NE(judge(published(), rows).stored_checksum, judge(published(), rows).published_checksum);
  rows = stored();
  rows[2].key = "c";
  EXPECT_EQ(judge(published(), rows).altered, 1u);
}

TEST(Proof, names_rows_that_were_not_published_and_offsets_without_a_row) {
  auto rows = stored();
  rows.push_back({0, PartitionId{1}, Offset{3}, "b", 1});
  const Verdict verdict = judge(published(), rows);
  EXPECT_EQ(verdict.strangers, 1u);
  EXPECT_EQ(verdict.gaps, 1u);
  EXPECT_FALSE(verdict.holds());
}

TEST(Proof, uses_the_usual_crc_32_as_its_checksum) {
  EXPECT_EQ(checksum_of("123456789"), 0xcbf43926u);
}

}  // namespace
}  // namespace birdstrikes
