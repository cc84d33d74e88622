#include "messaging/subscribe/lanes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

#include "../random_events.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1s};

std::optional<int> taken(Lanes<int>& lanes) {
  int item = 0;
  return lanes.take(item) ? std::optional(item) : std::nullopt;
}

TEST(Lanes, hand_out_one_item_of_a_lane_at_a_time) {
  Lanes<int> lanes(4);
  lanes.push(1, 10);
  lanes.push(1, 11);
  lanes.push(2, 20);
  EXPECT_EQ(taken(lanes), 10);
  EXPECT_EQ(taken(lanes), 20);
  EXPECT_EQ(taken(lanes), std::nullopt);
  lanes.finish(1);
  EXPECT_EQ(taken(lanes), 11);
  EXPECT_EQ(lanes.queued(), 0u);
}

TEST(Lanes, hold_a_lane_back_until_its_retry_is_done) {
  Lanes<int> lanes(4);
  lanes.push(1, 10);
  lanes.push(1, 11);
  lanes.push(2, 20);
  ASSERT_EQ(taken(lanes), 10);
  lanes.push_retry(1, 10, start + 5ms);
  lanes.finish(1);
  EXPECT_EQ(taken(lanes), 20);
  EXPECT_EQ(lanes.next_time(), start + 5ms);
  lanes.on_time(start + 4ms);
  EXPECT_EQ(taken(lanes), std::nullopt);
  lanes.on_time(start + 5ms);
  EXPECT_EQ(taken(lanes), 10);
  lanes.finish(1);
  EXPECT_EQ(taken(lanes), 11);
  EXPECT_EQ(lanes.next_time(), never);
}

TEST(Lanes, put_a_retry_in_front_while_another_item_of_the_lane_is_handled) {
  Lanes<int> lanes(2);
  lanes.push(0, 2);
  lanes.push(0, 3);
  ASSERT_EQ(taken(lanes), 2);
  lanes.push_retry(0, 1, start);
  lanes.on_time(start);
  EXPECT_EQ(taken(lanes), std::nullopt);
  lanes.finish(0);
  EXPECT_EQ(taken(lanes), 1);
}

TEST(Lanes, drop_waiting_items) {
  Lanes<int> lanes(2);
  lanes.push(0, 1);
  lanes.push(0, 2);
  lanes.push(1, 3);
  lanes.drop_if([](int item) { return item != 2; });
  EXPECT_EQ(lanes.queued(), 1u);
  EXPECT_EQ(taken(lanes), 2);
  EXPECT_EQ(taken(lanes), std::nullopt);
}

TEST(Lanes, are_released_when_the_retry_that_held_them_is_dropped) {
  Lanes<int> lanes(2);
  lanes.push(0, 1);
  ASSERT_EQ(taken(lanes), 1);
  lanes.push_retry(0, 1, start + 1h);
  lanes.finish(0);
  lanes.push(0, 2);
  lanes.drop_if([](int item) { return item == 1; });
  EXPECT_EQ(taken(lanes), 2);
}

/// Lanes beside a plain list of items for each of them.
class LanesModel {
 public:
  explicit LanesModel(Random& random) : random_(random) {}

  void step() {
    switch (random_.below(8)) {
      case 0:
      case 1:
        return push();
      case 2:
      case 3:
        return take();
      case 4:
        return finish();
      case 5:
        return fail();
      case 6:
        return pass_time();
      default:
        return drop();
    }
  }

  void check() const {
    lanes_.check_invariants();
    std::size_t queued = 0, busy = 0;
    TimePoint next = never;
    std::vector<std::vector<int>> waiting(model_.size());
    lanes_.for_each([&](std::size_t lane, int item) { waiting[lane].push_back(item); });
    for (std::size_t lane = 0; lane < model_.size(); ++lane) {
      const Lane& each = model_[lane];
      ASSERT_EQ(waiting[lane], std::vector<int>(each.items.begin(), each.items.end()));
      queued += each.items.size();
      busy += each.is_busy ? 1 : 0;
      if (each.is_blocked) next = std::min(next, each.until);
    }
    ASSERT_EQ(lanes_.queued(), queued);
    ASSERT_EQ(lanes_.busy(), busy);
    // It may be earlier: the time of a retry that was dropped.
    ASSERT_LE(lanes_.next_time(), next);
  }

 private:
  struct Lane {
    std::deque<int> items;
    bool is_busy = false;
    bool is_blocked = false;
    TimePoint until;
    [[nodiscard]] bool has_work() const { return !items.empty() && !is_busy && !is_blocked; }
  };

  Lane& any(std::size_t& lane) {
    lane = random_.below(model_.size());
    return model_[lane];
  }
  void push() {
    std::size_t lane = 0;
    any(lane).items.push_back(++last_);
    lanes_.push(lane, last_);
  }
  void take() {
    const auto item = taken(lanes_);
    ASSERT_EQ(item.has_value(), std::ranges::any_of(model_, &Lane::has_work));
    if (!item) return;
    const auto of = std::ranges::find_if(
        model_, [&](const Lane& each) { return each.has_work() && each.items.front() == *item; });
    ASSERT_NE(of, model_.end()) << *item << " is not the first of a free lane";
    of->items.pop_front();
    of->is_busy = true;
  }
  void finish() {
    std::size_t lane = 0;
    if (Lane& each = any(lane); each.is_busy) {
      each.is_busy = false;
      lanes_.finish(lane);
    }
  }
  /// A retry of the lane's running item, or of one that has left it.
  void fail() {
    std::size_t lane = 0;
    Lane& each = any(lane);
    const TimePoint at = now_ + std::chrono::milliseconds(random_.below(20));
    each.items.push_front(++last_);
    each.until = each.is_blocked ? std::max(each.until, at) : at;
    each.is_blocked = true;
    lanes_.push_retry(lane, last_, at);
  }
  void pass_time() {
    now_ += std::chrono::milliseconds(random_.below(10));
    lanes_.on_time(now_);
    for (Lane& each : model_) each.is_blocked = each.is_blocked && each.until > now_;
  }
  void drop() {
    const int divisor = 2 + static_cast<int>(random_.below(5));
    const auto is_dropped = [&](int item) { return item % divisor == 0; };
    lanes_.drop_if(is_dropped);
    for (Lane& each : model_) {
      if (each.items.empty()) continue;
      if (is_dropped(each.items.front())) each.is_blocked = false;
      std::erase_if(each.items, is_dropped);
    }
  }

  Random& random_;
  std::vector<Lane> model_{1 + random_.below(5)};
  Lanes<int> lanes_{model_.size()};
  TimePoint now_ = start;
  int last_ = 0;
};

TEST(RandomEventsOfLanes, AreHandedOutAsTheModelSays) {
  test::play_seeds(1'000, [](Random& random) {
    LanesModel model(random);
    for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) {
      model.step();
      model.check();
    }
  });
}

}  // namespace
}  // namespace dohle::messaging
