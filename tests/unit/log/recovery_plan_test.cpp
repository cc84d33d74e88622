#include <gtest/gtest.h>

#include <string>

#include "log/recovery_plan.hpp"

namespace dohle::log {
namespace {

using Kind = LogFault::Kind;
using End = LastLife::End;
using Do = Decision::Kind;

constexpr Offset recovery_point{10};
constexpr Offset noted{20};

LastLife life_that_ended(End end, bool has_note) {
  LastLife life;
  life.end = end;
  if (has_note) life.noted_end = noted;
  life.may_be_missing = "something";
  return life;
}

struct Row {
  const char* name;
  End end;
  bool has_note;
  Kind kind;
  std::int64_t offset;
  Do expected;
};

constexpr Row rows[] = {
    {"below the recovery point", End::unknown, false, Kind::zeros, 9, Do::refuse},
    {"killed, below the recovery point", End::killed, true, Kind::short_file, 9, Do::refuse},
    {"killed, below the noted end", End::killed, true, Kind::short_file, 19, Do::refuse},
    {"killed, below the noted end", End::killed, true, Kind::wrong_bytes, 10, Do::refuse},
    {"killed, at the noted end", End::killed, true, Kind::wrong_bytes, 20, Do::cut},
    {"killed, at the noted end", End::killed, true, Kind::gap, 20, Do::cut},
    {"a short file", End::unknown, false, Kind::short_file, 10, Do::cut},
    {"zeros", End::unknown, false, Kind::zeros, 15, Do::cut},
    {"a gap", End::unknown, false, Kind::gap, 15, Do::cut},
    {"wrong bytes", End::unknown, false, Kind::wrong_bytes, 15, Do::refuse},
    {"synced and noted, then power loss", End::unknown, true, Kind::zeros, 15, Do::refuse},
    {"above that", End::unknown, true, Kind::zeros, 20, Do::cut},
    {"0.1.0 stopped cleanly", End::clean_old, false, Kind::short_file, 15, Do::cut},
    {"the first segment", End::unknown, false, Kind::missing_start, 30, Do::refuse},
    {"the first segment", End::killed, true, Kind::missing_start, 30, Do::refuse},
};

TEST(Decide, refuses_where_acknowledged_records_are_affected_and_otherwise_cuts) {
  for (const Row& row : rows) {
    const LogFault fault{row.kind, Offset{row.offset}, false, "it is torn"};
    const auto made =
        decide(fault, Offset{row.offset}, recovery_point, life_that_ended(row.end, row.has_note));
    EXPECT_EQ(made.kind, row.expected) << row.name << " at " << row.offset;
    if (made.kind != Do::refuse) continue;
    EXPECT_EQ(made.offset, Offset{row.offset}) << row.name;
    EXPECT_NE(made.why.find("it is torn"), std::string::npos) << row.name;
  }
}

TEST(Decide, refuses_a_log_that_ends_below_its_acknowledged_offset) {
  for (const End end : {End::unknown, End::killed}) {
    const LastLife life = life_that_ended(end, true);
    EXPECT_EQ(decide({}, Offset{9}, recovery_point, life).kind, Do::refuse);
    EXPECT_EQ(decide({}, Offset{19}, recovery_point, life).kind, Do::refuse);
    EXPECT_EQ(decide({}, Offset{20}, recovery_point, life).kind, Do::keep);
  }
  EXPECT_EQ(decide({}, Offset{10}, recovery_point, life_that_ended(End::unknown, false)).kind,
            Do::keep);
}

TEST(Decide, refuses_every_difference_from_the_mark_of_a_clean_stop) {
  LastLife life;
  life.marked = MarkedLog{Offset{0}, Offset{30}, {}, {{Offset{0}, 100, 7}}};
  for (const Kind kind : {Kind::short_file, Kind::zeros, Kind::gap, Kind::not_as_marked}) {
    const LogFault fault{kind, Offset{30}, false, "it differs"};
    EXPECT_EQ(decide(fault, Offset{30}, recovery_point, life).kind, Do::refuse);
  }
  EXPECT_EQ(decide({}, Offset{29}, recovery_point, life).kind, Do::refuse);
  EXPECT_EQ(decide({}, Offset{30}, recovery_point, life).kind, Do::keep);
}

TEST(Decide, names_offsets_missing_after_a_lost_write_but_not_after_a_kill) {
  const LogFault fault{Kind::zeros, Offset{25}, false, "it is torn"};
  EXPECT_EQ(decide(fault, Offset{25}, recovery_point, life_that_ended(End::unknown, false)).why,
            "something");
  EXPECT_EQ(decide(fault, Offset{25}, recovery_point, life_that_ended(End::killed, true)).why, "");
}

TEST(FirstDifference, finds_a_segment_that_is_missing_added_or_of_another_size) {
  const MarkedLog marked{Offset{0}, Offset{30}, {}, {{Offset{0}, 100, 1}, {Offset{10}, 50, {}}}};
  using Found = std::vector<FoundSegment>;
  EXPECT_FALSE(first_difference(Found{{Offset{0}, 100}, {Offset{10}, 50}}, marked));
  EXPECT_EQ(first_difference(Found{{Offset{0}, 99}, {Offset{10}, 50}}, marked), 0u);
  EXPECT_EQ(first_difference(Found{{Offset{0}, 100}, {Offset{11}, 50}}, marked), 1u);
  EXPECT_EQ(first_difference(Found{{Offset{0}, 100}}, marked), 1u);
  EXPECT_EQ(first_difference(Found{{Offset{0}, 100}, {Offset{10}, 50}, {Offset{20}, 1}}, marked),
            2u);
}

TEST(LooksUnwritten, recognizes_an_offset_whose_first_sector_is_missing) {
  // 628 is 0x274. A file without the sector with the byte 2 shows 116.
  const std::uint64_t seven_before_the_end = 49 * 512 - 7;
  EXPECT_TRUE(looks_unwritten(Offset{116}, Offset{628}, seven_before_the_end));
  EXPECT_FALSE(looks_unwritten(Offset{117}, Offset{628}, seven_before_the_end));
  EXPECT_FALSE(looks_unwritten(Offset{116}, Offset{628}, seven_before_the_end + 1)) << "0 is zero";
  EXPECT_FALSE(looks_unwritten(Offset{116}, Offset{628}, seven_before_the_end - 1));
  EXPECT_TRUE(looks_unwritten(Offset{0x274}, Offset{0x30274}, 512 - 6));
  EXPECT_TRUE(looks_unwritten(Offset{0}, Offset{628}, 512 - 8)) << "all of it";
  EXPECT_FALSE(looks_unwritten(Offset{0}, Offset{628}, 512 - 9)) << "the length is in that sector";
}

TEST(LooksUnwritten, requires_eight_zeros_at_the_end_of_a_sector) {
  std::string bytes(1'000, 'x');
  const auto looks = [&](std::uint64_t position) {
    return looks_unwritten(as_bytes(bytes), position);
  };
  EXPECT_FALSE(looks(0));
  bytes.replace(504, 8, 8, '\0');
  EXPECT_TRUE(looks(0));
  EXPECT_FALSE(looks(1)) << "no sector ends there";
  bytes[504] = 'x';
  EXPECT_FALSE(looks(0)) << "seven";
  bytes.replace(992, 8, 8, '\0');
  EXPECT_TRUE(looks(0)) << "where the batch ends";
  bytes.resize(514);
  bytes[512] = bytes[513] = '\0';
  EXPECT_TRUE(looks(0)) << "all that lies in the last sector";
}

TEST(LooksUnwritten, does_not_mistake_the_first_zeros_of_a_base_offset_for_a_lost_write) {
  std::string bytes(1'000, 'x');
  bytes.replace(0, 7, 7, '\0');
  const auto looks = [&](std::uint64_t position) {
    return looks_unwritten(as_bytes(bytes), position);
  };
  for (std::uint64_t in_first = 1; in_first <= 7; ++in_first) {
    EXPECT_FALSE(looks(512 - in_first)) << in_first;
  }
  bytes[7] = '\0';
  EXPECT_TRUE(looks(512 - 8)) << "an offset has no eight zeros but for 0";
  bytes.replace(3 + 504, 8, 8, '\0');
  EXPECT_TRUE(looks(512 - 3)) << "in the sector behind";
}

TEST(AcceptedGaps, are_read_from_their_own_text_alone) {
  AcceptedGaps gaps;
  gaps.add(Offset{5}, Offset{9});
  gaps.add(Offset{20}, Offset{21});
  std::string text = gaps.text();
  const auto read = AcceptedGaps::parse(text);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->behind(Offset{5}), Offset{9});
  EXPECT_EQ(read->behind(Offset{20}), Offset{21});
  EXPECT_EQ(read->behind(Offset{6}), Offset{6});
  text[5] ^= 1;
  EXPECT_FALSE(AcceptedGaps::parse(text).has_value());
}

}  // namespace
}  // namespace dohle::log
