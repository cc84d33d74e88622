#include "messaging/subscribe/batcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "../random_events.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimePoint start{1s};
constexpr TimePoint later = start + 1h;

TEST(Batcher, hands_out_a_batch_of_its_size_before_its_time) {
  Batcher<int> batcher(1, 3);
  batcher.push(0, 1, later);
  batcher.push(0, 2, later);
  EXPECT_THAT(batcher.take(start), IsEmpty());
  EXPECT_EQ(batcher.next_time(), later);
  batcher.push(0, 3, later);
  batcher.push(0, 4, later);
  EXPECT_LE(batcher.next_time(), start);
  EXPECT_THAT(batcher.take(start), ElementsAre(1, 2, 3));
  EXPECT_EQ(batcher.queued(), 1u);
}

TEST(Batcher, hands_out_a_smaller_batch_when_its_first_item_has_waited) {
  Batcher<int> batcher(1, 3);
  batcher.push(0, 1, start + 10ms);
  batcher.push(0, 2, start + 15ms);
  EXPECT_THAT(batcher.take(start + 9ms), IsEmpty());
  EXPECT_THAT(batcher.take(start + 10ms), ElementsAre(1, 2));
  EXPECT_EQ(batcher.next_time(), never);
}

TEST(Batcher, keeps_a_lane_until_each_item_of_its_batch_is_finished) {
  Batcher<int> batcher(2, 2);
  for (const int item : {1, 2, 3, 4}) batcher.push(0, item, start);
  batcher.push(1, 5, start + 1ms);
  EXPECT_THAT(batcher.take(start + 1ms), ElementsAre(1, 2));
  EXPECT_THAT(batcher.take(start + 1ms), ElementsAre(5)) << "the other lane goes on";
  batcher.finish(0);
  EXPECT_THAT(batcher.take(start + 1ms), IsEmpty());
  batcher.finish(0);
  EXPECT_THAT(batcher.take(start + 1ms), ElementsAre(3, 4));
}

TEST(Batcher, hands_out_the_batch_that_became_due_first) {
  Batcher<int> batcher(3, 10);
  batcher.push(0, 1, start + 3ms);
  batcher.push(1, 2, start + 1ms);
  batcher.push(2, 3, start + 2ms);
  EXPECT_THAT(batcher.take(start + 5ms), ElementsAre(2));
  EXPECT_THAT(batcher.take(start + 5ms), ElementsAre(3));
  EXPECT_THAT(batcher.take(start + 5ms), ElementsAre(1));
}

TEST(Batcher, puts_retries_in_front_and_hands_them_out_with_their_followers) {
  Batcher<int> batcher(1, 3);
  for (const int item : {1, 2, 3}) batcher.push(0, item, later);
  ASSERT_THAT(batcher.take(start), ElementsAre(1, 2, 3));
  batcher.push(0, 4, later);
  batcher.push(0, 5, later);
  for (const int item : {3, 2}) batcher.push_retry(0, item, start + 5ms);
  for (int i = 0; i < 3; ++i) batcher.finish(0);
  EXPECT_EQ(batcher.next_time(), start + 5ms);
  EXPECT_THAT(batcher.take(start + 4ms), IsEmpty()) << "the lane waits for its retries";
  EXPECT_THAT(batcher.take(start + 5ms), ElementsAre(2, 3, 4));
}

TEST(Batcher, releases_a_lane_when_the_retry_that_held_it_is_dropped) {
  Batcher<int> batcher(1, 2);
  batcher.push_retry(0, 1, later);
  batcher.push(0, 2, start);
  EXPECT_THAT(batcher.take(start), IsEmpty());
  batcher.drop_if([](int item) { return item == 1; });
  EXPECT_EQ(batcher.queued(), 1u);
  EXPECT_THAT(batcher.take(start), ElementsAre(2));
}

TEST(Batcher, makes_only_the_batches_of_given_items_due) {
  Batcher<int> batcher(2, 10);
  batcher.push(0, 1, later);
  batcher.push(0, 2, later);
  batcher.push(1, 3, later);
  batcher.hurry_if([](int item) { return item == 2; });
  EXPECT_THAT(batcher.take(start), ElementsAre(1, 2));
  EXPECT_THAT(batcher.take(start), IsEmpty());
}

/// The promises of a Batcher, kept in the simplest way: each lane is a list of items with their
/// times, and each question walks all of them.
class Model {
 public:
  explicit Model(Random& random)
      : random_(random),
        lanes_(1 + random.below(4)),
        size_(1 + random.below(5)),
        batcher_(lanes_.size(), size_) {}

  void step() {
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2:
        push();
        break;
      case 3:
        retry();
        break;
      case 4:
        take();
        break;
      case 5:
        finish();
        break;
      case 6:
        change_some();
        break;
      default:
        now_ += std::chrono::milliseconds(random_.below(30));
    }
  }
  void check() const {
    batcher_.check_invariants();
    std::size_t queued = 0;
    TimePoint next = never;
    for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
      queued += lanes_[lane].waiting.size();
      next = std::min(next, ready_at(lane));
    }
    EXPECT_EQ(batcher_.queued(), queued);
    EXPECT_EQ(batcher_.next_time(), next);
  }

 private:
  struct Entry {
    int item = 0;
    TimePoint due = {};
    bool is_retry = false;
    TimePoint retry_at = {};
  };
  struct Lane {
    std::vector<Entry> waiting = {};
    std::vector<int> taken = {};
  };

  [[nodiscard]] TimePoint ready_at(std::size_t index) const {
    const Lane& lane = lanes_[index];
    if (!lane.taken.empty() || lane.waiting.empty()) return never;
    TimePoint due = lane.waiting.size() >= size_ ? TimePoint::min() : never;
    TimePoint held = TimePoint::min();
    for (const Entry& each : lane.waiting) {
      due = std::min(due, each.due);
      if (each.is_retry) held = std::max(held, each.retry_at);
    }
    return std::max(due, held);
  }
  [[nodiscard]] std::size_t any() { return random_.below(lanes_.size()); }
  void push() {
    const std::size_t lane = any();
    const TimePoint due = now_ + std::chrono::milliseconds(random_.below(40));
    lanes_[lane].waiting.push_back({++last_, due, false, {}});
    batcher_.push(lane, last_, due);
  }
  void retry() {
    const std::size_t index = any();
    Lane& lane = lanes_[index];
    if (lane.taken.empty()) return;
    // The last one first, as the failures of a batch come.
    const int item = lane.taken.back();
    lane.taken.pop_back();
    const TimePoint at = now_ + std::chrono::milliseconds(random_.below(20));
    lane.waiting.insert(lane.waiting.begin(), {item, at, true, at});
    batcher_.push_retry(index, item, at);
    batcher_.finish(index);
  }
  void take() {
    const std::vector<int> batch = batcher_.take(now_);
    if (batch.empty()) {
      for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
        EXPECT_GT(ready_at(lane), now_) << "a batch that is due is not handed out";
      }
      return;
    }
    for (std::size_t index = 0; index < lanes_.size(); ++index) {
      Lane& lane = lanes_[index];
      if (lane.waiting.empty() || lane.waiting.front().item != batch.front()) continue;
      EXPECT_LE(ready_at(index), now_) << "a batch is handed out that is not due";
      ASSERT_EQ(batch.size(), std::min(size_, lane.waiting.size()));
      for (std::size_t i = 0; i < batch.size(); ++i) EXPECT_EQ(batch[i], lane.waiting[i].item);
      lane.waiting.erase(lane.waiting.begin(),
                         lane.waiting.begin() + static_cast<std::ptrdiff_t>(batch.size()));
      lane.taken = batch;
      return;
    }
    ADD_FAILURE() << "a batch begins within a lane";
  }
  void finish() {
    const std::size_t index = any();
    if (lanes_[index].taken.empty()) return;
    lanes_[index].taken.pop_back();
    batcher_.finish(index);
  }
  void change_some() {
    const int parts = 2 + static_cast<int>(random_.below(4));
    const auto is_meant = [parts](int item) { return item % parts == 0; };
    if (random_.below(2) == 0) {
      for (Lane& lane : lanes_) {
        std::erase_if(lane.waiting, [&](const Entry& each) { return is_meant(each.item); });
      }
      return batcher_.drop_if(is_meant);
    }
    for (Lane& lane : lanes_) {
      for (Entry& each : lane.waiting) {
        if (is_meant(each.item)) each.due = TimePoint::min();
      }
    }
    batcher_.hurry_if(is_meant);
  }

  Random& random_;
  std::vector<Lane> lanes_;
  const std::size_t size_;
  Batcher<int> batcher_;
  TimePoint now_{1h};
  int last_ = 0;
};

TEST(RandomEventsOfABatcher, AreBatchedAsTheModelSays) {
  test::play_seeds(1'000, [](Random& random) {
    Model model(random);
    for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) {
      model.step();
      model.check();
    }
  });
}

}  // namespace
}  // namespace dohle::messaging
