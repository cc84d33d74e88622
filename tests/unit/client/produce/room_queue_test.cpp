#include "client/produce/room_queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

class RealClock final : public Clock {
 public:
  TimePoint mono() const override {
    return TimePoint(std::chrono::steady_clock::now().time_since_epoch());
  }
  Timestamp wall() const override { return {}; }
};

/// Advances only when the test adds time.
class StillClock final : public Clock {
 public:
  TimePoint mono() const override { return TimePoint(Duration(passed_ns.load())); }
  Timestamp wall() const override { return {}; }
  std::atomic<std::int64_t> passed_ns{0};
};

/// Pieces of space, and callers on threads of their own that want one each.
class Room : public testing::Test {
 protected:
  bool wait_for_one(Duration timeout = 30s, int number = -1) {
    const auto attempt = [this, number] {
      ++attempts_;
      if (!take()) return false;
      const std::lock_guard lock(mutex_);
      served_.push_back(number);
      ++served_count_;
      served_count_.notify_all();
      return true;
    };
    return queue_.wait(*clock_, CallDeadline(*clock_, timeout), attempt, [this](Budget::Room room) {
      asked_ = room;
      return pieces_.load() >= (room == Budget::Room::most ? 50 : 1);
    });
  }
  bool take() {
    int have = pieces_.load();
    while (have > 0 && !pieces_.compare_exchange_weak(have, have - 1)) {
    }
    return have > 0;
  }
  /// Adds a caller. Its number is stored when it gets its piece. Returns once the caller waits.
  void join(std::vector<std::jthread>& threads) {
    const std::size_t before = queue_.length();
    const int number = static_cast<int>(threads.size());
    threads.emplace_back([this, number] { wait_for_one(30s, number); });
    while (queue_.length() == before) std::this_thread::yield();
  }
  void wait_until_served(int count) {
    for (int have = served_count_.load(); have < count; have = served_count_.load()) {
      served_count_.wait(have);
    }
  }
  std::vector<int> served() {
    const std::lock_guard lock(mutex_);
    return served_;
  }

  void wait_for_length(std::size_t length) {
    while (queue_.length() != length) std::this_thread::yield();
  }
  void add_piece() {
    ++pieces_;
    queue_.on_room();
  }

  RealClock real_;
  const Clock* clock_ = &real_;
  RoomQueue queue_{1h};
  std::atomic<Budget::Room> asked_{};
  std::atomic<int> pieces_{0};
  std::atomic<int> attempts_{0};
  std::mutex mutex_;
  std::vector<int> served_;
  std::atomic<int> served_count_{0};
};

TEST_F(Room, the_first_in_line_tries_at_once) {
  pieces_ = 1;
  EXPECT_TRUE(wait_for_one());
  EXPECT_EQ(attempts_, 1);
  EXPECT_EQ(queue_.length(), 0u);
}

TEST_F(Room, callers_are_served_in_their_order) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) join(threads);
  for (int i = 1; i <= 4; ++i) {
    pieces_ = 1;
    queue_.on_room();
    wait_until_served(i);
  }
  EXPECT_EQ(served(), (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(Room, one_call_serves_as_many_as_there_are_pieces) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) join(threads);
  pieces_ = 100;
  queue_.on_room();
  wait_until_served(3);
  EXPECT_EQ(served(), (std::vector<int>{0, 1, 2}));
}

TEST_F(Room, a_second_caller_waits_for_most_of_the_room) {
  std::vector<std::jthread> threads;
  join(threads);
  join(threads);
  EXPECT_EQ(asked_, Budget::Room::piece);
  add_piece();
  wait_for_length(1);
  EXPECT_EQ(asked_, Budget::Room::most);
  // The next caller counts as the admitted one that came back.
  join(threads);
  EXPECT_EQ(asked_, Budget::Room::piece);
  pieces_ = 100;
  queue_.on_room();
}

TEST_F(Room, a_caller_that_returns_within_its_turn_is_first_and_later_last) {
  StillClock still;
  clock_ = &still;
  std::jthread hog([this, &still] {
    wait_for_one(30s, 0);
    wait_for_length(1);
    wait_for_one(30s, 0);
    still.passed_ns += Duration(10ms).count();
    wait_for_one(30s, 0);
  });
  wait_for_length(1);
  std::jthread other;
  add_piece();
  wait_until_served(1);
  other = std::jthread([this] { wait_for_one(30s, 1); });
  for (int i = 2; i <= 4; ++i) {
    wait_for_length(i == 4 ? 1 : 2);
    add_piece();
    wait_until_served(i);
  }
  EXPECT_EQ(served(), (std::vector<int>{0, 0, 1, 0}));
}

TEST_F(Room, it_is_the_turn_of_waiting_callers_unless_one_was_admitted) {
  StillClock still;
  clock_ = &still;
  EXPECT_FALSE(queue_.is_turn_of_others(still));
  pieces_ = 1;
  ASSERT_TRUE(wait_for_one());
  std::vector<std::jthread> threads;
  join(threads);
  EXPECT_FALSE(queue_.is_turn_of_others(still));
  still.passed_ns += Duration(10ms).count();
  EXPECT_TRUE(queue_.is_turn_of_others(still));
  add_piece();
  wait_for_length(0);
  EXPECT_FALSE(queue_.is_turn_of_others(still));
}

TEST(ImpatientRoom, finds_room_without_a_notification) {
  RoomQueue queue{1ms};
  const RealClock clock;
  std::atomic<int> attempts{0};
  EXPECT_TRUE(queue.wait(
      clock, CallDeadline(clock, 30s), [&] { return ++attempts == 3; },
      [](Budget::Room) { return false; }));
  EXPECT_EQ(attempts, 3);
}

TEST_F(Room, a_caller_gives_up_when_its_time_is_up) {
  const TimePoint began = clock_->mono();
  EXPECT_FALSE(wait_for_one(30ms));
  EXPECT_GE(clock_->mono() - began, 30ms);
  EXPECT_GE(attempts_, 1);
  EXPECT_EQ(queue_.length(), 0u);
}

TEST_F(Room, a_caller_that_gives_up_lets_the_next_one_in) {
  std::jthread first([this] { EXPECT_FALSE(wait_for_one(30ms)); });
  while (queue_.length() == 0) std::this_thread::yield();
  std::vector<std::jthread> threads;
  join(threads);
  first.join();
  pieces_ = 1;
  queue_.on_room();
  wait_until_served(1);
}

TEST_F(Room, closing_wakes_all_callers_without_room) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) join(threads);
  queue_.close();
  threads.clear();
  EXPECT_TRUE(served().empty());
  EXPECT_FALSE(wait_for_one());
}

}  // namespace
}  // namespace dohle::client
