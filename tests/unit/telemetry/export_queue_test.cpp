#include "telemetry/export_queue.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/random.hpp"

namespace dohle::telemetry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Answer = ExportQueue::Answer;

constexpr TimePoint start{std::chrono::hours(1)};
constexpr ExportQueue::Options small{.max_queue = 5, .max_batch = 3};

FinishedSpan span(int number) {
  FinishedSpan made;
  made.name = std::to_string(number);
  return made;
}

std::vector<std::string> names_of(std::span<const FinishedSpan> spans) {
  std::vector<std::string> names;
  for (const FinishedSpan& each : spans) names.push_back(each.name);
  return names;
}

using Names = std::vector<std::string>;

TEST(ExportQueue, sends_after_the_delay_of_the_oldest_span) {
  ExportQueue queue(small);
  EXPECT_EQ(queue.next_at(), never);
  EXPECT_TRUE(queue.add(span(1), start));
  EXPECT_TRUE(queue.add(span(2), start + milliseconds(900)));
  EXPECT_EQ(queue.next_at(), start + seconds(1));
  EXPECT_TRUE(queue.next(start + milliseconds(999)).empty());
  EXPECT_EQ(names_of(queue.next(start + seconds(1))), (Names{"1", "2"}));
  // One request at a time.
  EXPECT_EQ(queue.next_at(), never);
  EXPECT_TRUE(queue.next(start + seconds(9)).empty());
  queue.on_answer(Answer::accepted, {}, 0, start + seconds(2));
  EXPECT_TRUE(queue.is_empty());
  EXPECT_EQ(queue.exported(), 2u);
}

TEST(ExportQueue, sends_a_full_batch_at_once_and_the_rest_later) {
  ExportQueue queue(small);
  for (int i = 0; i < 4; ++i) queue.add(span(i), start);
  EXPECT_EQ(names_of(queue.next(start)), (Names{"0", "1", "2"}));
  queue.on_answer(Answer::accepted, {}, 0, start + milliseconds(10));
  EXPECT_EQ(queue.next_at(), start + seconds(1));
}

TEST(ExportQueue, drops_and_counts_spans_above_max_queue) {
  ExportQueue queue(small);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.add(span(i), start));
  ASSERT_EQ(queue.next(start).size(), 3u);
  EXPECT_TRUE(queue.add(span(3), start));
  EXPECT_TRUE(queue.add(span(4), start));
  EXPECT_FALSE(queue.add(span(5), start)) << "spans under way count, too";
  EXPECT_EQ(queue.dropped(), 1u);
  EXPECT_EQ(queue.size(), 5u);
}

TEST(ExportQueue, repeats_with_growing_waits_until_it_gives_up) {
  ExportQueue queue({.give_up_after = seconds(10)});
  queue.add(span(1), start);
  TimePoint now = start + seconds(1);
  ASSERT_EQ(queue.next(now).size(), 1u);
  std::vector<std::int64_t> waits;
  for (;;) {
    // 0.5 is the middle of the jitter.
    queue.on_answer(Answer::try_again, {}, 0.5, now);
    if (queue.is_empty()) break;
    EXPECT_TRUE(queue.next(queue.next_at() - Duration(1)).empty());
    waits.push_back(std::chrono::duration_cast<seconds>(queue.next_at() - now).count());
    now = queue.next_at();
    ASSERT_EQ(names_of(queue.next(now)), Names{"1"});
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{1, 2, 4}));
  EXPECT_EQ(queue.dropped(), 1u);
  EXPECT_EQ(queue.failures(), 4u);
}

TEST(ExportQueue, jitter_is_at_most_a_fifth_in_both_directions) {
  for (const double jitter : {0.0, 0.999}) {
    ExportQueue queue(small);
    queue.add(span(1), start);
    queue.hurry();
    ASSERT_EQ(queue.next(start).size(), 1u);
    queue.on_answer(Answer::try_again, {}, jitter, start);
    const auto wait = std::chrono::duration_cast<milliseconds>(queue.next_at() - start).count();
    EXPECT_NEAR(static_cast<double>(wait), jitter == 0.0 ? 800 : 1'200, 1);
  }
}

TEST(ExportQueue, waits_as_long_as_the_server_asks_for) {
  ExportQueue queue(small);
  queue.add(span(1), start);
  queue.hurry();
  ASSERT_EQ(queue.next(start).size(), 1u);
  queue.on_answer(Answer::try_again, seconds(7), 0.5, start);
  EXPECT_EQ(queue.next_at(), start + seconds(7));
}

TEST(ExportQueue, repeats_no_later_than_the_given_time) {
  ExportQueue queue(small);
  queue.add(span(1), start);
  queue.hurry();
  ASSERT_EQ(queue.next(start).size(), 1u);
  queue.on_answer(Answer::try_again, {}, 0.5, start);
  queue.retry_by(start + seconds(9));
  EXPECT_EQ(queue.next_at(), start + seconds(1));
  queue.retry_by(start + milliseconds(100));
  EXPECT_EQ(queue.next_at(), start + milliseconds(100));
  EXPECT_EQ(names_of(queue.next(start + milliseconds(100))), Names{"1"});
}

TEST(ExportQueue, drops_spans_that_the_server_refuses) {
  ExportQueue queue(small);
  queue.add(span(1), start);
  queue.hurry();
  ASSERT_EQ(queue.next(start).size(), 1u);
  queue.on_answer(Answer::refused, {}, 0, start);
  EXPECT_TRUE(queue.is_empty());
  EXPECT_EQ(queue.dropped(), 1u);
  EXPECT_EQ(queue.failures(), 1u);
}

TEST(ExportQueue, hurry_sends_waiting_spans_and_no_later_one) {
  ExportQueue queue(small);
  for (int i = 0; i < 4; ++i) queue.add(span(i), start);
  queue.hurry();
  queue.add(span(4), start);
  ASSERT_EQ(queue.next(start).size(), 3u);
  queue.on_answer(Answer::accepted, {}, 0, start);
  EXPECT_EQ(names_of(queue.next(start)), (Names{"3", "4"})) << "a later one may share the request";
  queue.on_answer(Answer::accepted, {}, 0, start);
  queue.add(span(5), start);
  EXPECT_EQ(queue.next_at(), start + seconds(1));
}

TEST(ExportQueue, counts_the_settled_spans) {
  ExportQueue queue(small);
  for (int i = 0; i < 4; ++i) queue.add(span(i), start);
  EXPECT_EQ(queue.taken(), 4u);
  queue.hurry();
  ASSERT_EQ(queue.next(start).size(), 3u);
  queue.add(span(4), start);
  EXPECT_FALSE(queue.add(span(5), start)) << "it is full";
  EXPECT_EQ(queue.settled(), 0u);
  queue.on_answer(Answer::accepted, {}, 0, start);
  EXPECT_EQ(queue.settled(), 3u);
  EXPECT_EQ(queue.taken(), 5u);
  ASSERT_EQ(queue.next(start).size(), 2u);
  queue.on_answer(Answer::refused, {}, 0, start);
  EXPECT_EQ(queue.settled(), 5u);
}

/// Each span is exported, dropped or waiting, exactly once, for any events.
TEST(ExportQueue, loses_and_duplicates_no_span) {
  SeededRandom random(17);
  for (int round = 0; round < 50; ++round) {
    ExportQueue queue({.max_queue = 1 + random.below(50), .max_batch = 1 + random.below(10)});
    TimePoint now = start;
    std::uint64_t added = 0;
    int next_name = 0;
    bool is_under_way = false;
    for (int i = 0; i < 1'000; ++i) {
      now += milliseconds(random.below(400));
      switch (random.below(4)) {
        case 0:
        case 1:
          queue.add(span(static_cast<int>(added)), now);
          ++added;
          break;
        case 2: {
          if (is_under_way) break;
          const auto sent = queue.next(now);
          is_under_way = !sent.empty();
          // Spans go in their order.
          if (is_under_way) {
            EXPECT_GE(std::stoi(sent.front().name), next_name);
            next_name = std::stoi(sent.front().name);
          }
          break;
        }
        default:
          if (random.below(20) == 0) queue.hurry();
          if (!is_under_way) break;
          queue.on_answer(static_cast<Answer>(random.below(3)), {}, random.unit(), now);
          is_under_way = false;
      }
      ASSERT_EQ(queue.exported() + queue.dropped() + queue.size(), added);
    }
    queue.drop_all();
    EXPECT_EQ(queue.exported() + queue.dropped(), added);
  }
}

}  // namespace
}  // namespace dohle::telemetry
