#include "node/journal/journal_line.hpp"
#include "node/journal/journal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dohle::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string good_lines(std::uint64_t count, std::uint64_t from = 1) {
  std::string text;
  for (std::uint64_t i = from; i < from + count; ++i) {
    text += sealed_line(i, i - 1, "topic t" + std::to_string(i) + " x 1");
  }
  return text;
}

/// The result of reading: the numbers of lines read and bytes dropped, or the reason of a refusal.
struct Verdict {
  std::string damage;
  std::size_t lines = 0;
  std::uint64_t dropped = 0;
};
Verdict judge(std::string_view text, const KnownSizes& sizes = {}) {
  JournalText read;
  auto damage = read_journal(text, sizes, read);
  return {damage.value_or(""), read.lines.size(), read.dropped_bytes};
}

TEST(JournalLineTest, IsReadAsItWasWritten) {
  const std::string text = sealed_line(7, 5, "?colour of-it red");
  const auto line = unsealed_line(std::string_view(text).substr(0, text.size() - 1));
  ASSERT_TRUE(line);
  EXPECT_EQ(line->version, journal_version());
  EXPECT_EQ(line->number, 7u);
  EXPECT_EQ(line->durable, 5u);
  EXPECT_EQ(line->kind, "colour");
  EXPECT_TRUE(line->is_optional);
  EXPECT_THAT(line->words, ElementsAre("of-it", "red"));
}

TEST(JournalLineTest, OfTheFirstReleaseIsRead) {
  // Written by 0.1.0.
  const auto line = unsealed_line("1e6cd115 producer-ids 1000");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->version, "0.1.0");
  EXPECT_FALSE(line->is_numbered());
  EXPECT_FALSE(line->is_optional);
  EXPECT_EQ(line->kind, "producer-ids");
  EXPECT_THAT(line->words, ElementsAre("1000"));
}

TEST(JournalTextTest, WithoutDamageIsReadCompletely) {
  const std::string text = good_lines(5);
  const Verdict verdict = judge(text, {.noted = text.size(), .marked = text.size()});
  EXPECT_EQ(verdict.damage, "");
  EXPECT_EQ(verdict.lines, 5u);
  EXPECT_EQ(verdict.dropped, 0u);
  EXPECT_EQ(judge("").damage, "");
}

TEST(JournalTextTest, CutAnywhereLosesOneTornLineAtMostOrRefuses) {
  const std::string text = good_lines(3);
  const std::size_t last = good_lines(2).size();
  for (std::size_t at = last; at < text.size(); ++at) {
    const std::string_view cut = std::string_view(text).substr(0, at);
    const Verdict unknown = judge(cut);
    EXPECT_EQ(unknown.damage, "") << at;
    EXPECT_EQ(unknown.lines, 2u) << at;
    EXPECT_EQ(unknown.dropped, at - last) << at;
    EXPECT_THAT(judge(cut, {.noted = text.size()}).damage, HasSubstr("had written")) << at;
    EXPECT_THAT(judge(cut, {.marked = text.size()}).damage, HasSubstr("last clean stop")) << at;
    EXPECT_EQ(judge(cut, {.noted = last}).damage, "") << at;
  }
}

TEST(JournalTextTest, LongerThanTheLastCleanStopLeftItRefuses) {
  EXPECT_THAT(judge(good_lines(3), {.marked = good_lines(2).size()}).damage,
              HasSubstr("last clean stop"));
  EXPECT_EQ(judge(good_lines(3), {.noted = good_lines(2).size()}).damage, "");
}

TEST(JournalTextTest, WithAnyBitFlippedRefuses) {
  const std::string good = good_lines(3);
  const std::size_t last = good_lines(2).size();
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string text = good;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      const Verdict verdict = judge(text);
      // The case of a hexadecimal digit does not matter. Without its newline the last line counts
      // as torn.
      const bool is_same = verdict.damage.empty() && verdict.lines == 3;
      const bool is_torn = at == good.size() - 1 && verdict.lines == 2 && at >= last;
      EXPECT_TRUE(is_same || is_torn || !verdict.damage.empty()) << at << " bit " << bit;
      EXPECT_NE(judge(text, {.noted = good.size()}).damage.empty(), !is_same) << at;
    }
  }
}

TEST(JournalTextTest, WithAMissingLineRefuses) {
  const std::string text = good_lines(1) + good_lines(2, 3);
  EXPECT_THAT(judge(text).damage, HasSubstr("has number 3 and not 2"));
  EXPECT_THAT(judge(good_lines(2, 2)).damage, HasSubstr("has number 2 and not 1"));
  EXPECT_THAT(judge(good_lines(2) + good_lines(1, 2)).damage, HasSubstr("has number 2 and not 3"));
}

TEST(JournalTextTest, WithALostSectorAtItsEndIsTorn) {
  const std::string before = good_lines(9);
  std::string torn = sealed_line(10, 9, "topic " + std::string(600, 'a') + " x 1");
  const std::size_t sector = 512 - before.size() % 512;
  ASSERT_GT(sector, 0u);
  ASSERT_LT(sector, torn.size());
  // Its first sector did not reach the disk; its last one did.
  torn.replace(0, sector, sector, '\0');
  const Verdict verdict = judge(before + torn);
  EXPECT_EQ(verdict.damage, "");
  EXPECT_EQ(verdict.lines, 9u);
  EXPECT_EQ(verdict.dropped, torn.size());
  EXPECT_FALSE(judge(before + torn, {.noted = before.size() + 1}).damage.empty());
  // No byte of it reached the disk.
  EXPECT_EQ(judge(before + std::string(100, '\0')).lines, 9u);
}

TEST(JournalTextTest, WithAZeroThatNoSectorExplainsRefuses) {
  std::string text = good_lines(3);
  text[text.size() - 4] = '\0';
  EXPECT_THAT(judge(text).damage, HasSubstr("its CRC is wrong"));
}

TEST(JournalTextTest, WithAHoleBeforeALineThatRecordsItAsDurableRefuses) {
  const std::string begin = good_lines(1);
  const std::string hole(512 - begin.size() % 512, '\0');
  EXPECT_THAT(judge(begin + hole + sealed_line(3, 2, "cluster x")).damage,
              HasSubstr("later lines are whole"));
  // Both were written before a sync, and only the second reached the disk.
  EXPECT_EQ(judge(begin + hole + sealed_line(3, 1, "cluster x")).damage, "");
  // 0.1.0 synced each line before it wrote the next.
  EXPECT_FALSE(judge(begin + hole + "1e6cd115 producer-ids 1000\n").damage.empty());
}

}  // namespace
}  // namespace dohle::node
