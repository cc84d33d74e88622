#include "base/budget.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace dohle {
namespace {

TEST(Budget, refuses_the_slab_that_would_exceed_the_limit) {
  Budget budget(2 * slab_bytes);
  Buffer* first = budget.take();
  Buffer* second = budget.take();
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(budget.take(), nullptr);
  EXPECT_EQ(budget.used(), 2 * slab_bytes);
  first->release();
  Buffer* again = budget.take();
  EXPECT_NE(again, nullptr);
  again->release();
  second->release();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Budget, a_slab_outlives_its_budget) {
  Buffer* slab = nullptr;
  {
    Budget budget(slab_bytes);
    slab = budget.take();
    ASSERT_NE(slab, nullptr);
  }
  slab->data()[slab_bytes - 1] = std::byte{7};
  EXPECT_EQ(slab->data()[slab_bytes - 1], std::byte{7});
  slab->release();
}

TEST(Budget, a_shared_slab_is_charged_until_the_last_reference_goes) {
  Budget budget(slab_bytes);
  Buffer* slab = budget.take();
  ASSERT_NE(slab, nullptr);
  slab->retain();
  slab->release();
  EXPECT_EQ(budget.take(), nullptr);
  slab->release();
  Buffer* again = budget.take();
  ASSERT_NE(again, nullptr);
  again->release();
}

TEST(Budget, reserved_bytes_and_slabs_share_one_limit) {
  Budget budget(slab_bytes + 100);
  EXPECT_TRUE(budget.reserve(100));
  EXPECT_FALSE(budget.reserve(slab_bytes + 1));
  Buffer* slab = budget.take();
  ASSERT_NE(slab, nullptr);
  EXPECT_FALSE(budget.reserve(1));
  slab->release();
  budget.unreserve(100);
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Budget, notifies_of_room_only_after_a_refusal) {
  Budget budget(slab_bytes);
  int told = 0;
  budget.on_room([&] { ++told; });
  Buffer* slab = budget.take();
  ASSERT_NE(slab, nullptr);
  slab->release();
  EXPECT_EQ(told, 0);
  slab = budget.take();
  ASSERT_NE(slab, nullptr);
  EXPECT_EQ(budget.take(), nullptr);
  slab->release();
  EXPECT_EQ(told, 1);
}

TEST(Budget, notifies_of_room_once_a_whole_piece_is_free) {
  Budget budget(3 * slab_bytes);
  int told = 0;
  budget.on_room([&] { ++told; }, 2 * slab_bytes);
  Buffer* slabs[] = {budget.take(), budget.take(), budget.take()};
  EXPECT_EQ(budget.take(), nullptr);
  slabs[0]->release();
  EXPECT_EQ(told, 0);
  slabs[1]->release();
  EXPECT_EQ(told, 1);
  slabs[2]->release();
  EXPECT_EQ(told, 1);
}

TEST(Budget, a_piece_is_at_most_the_limit) {
  Budget budget(slab_bytes);
  int told = 0;
  budget.on_room([&] { ++told; }, 100 * slab_bytes);
  Buffer* slab = budget.take();
  EXPECT_EQ(budget.take(), nullptr);
  slab->release();
  EXPECT_EQ(told, 1);
}

TEST(Budget, a_request_for_a_piece_is_notified_without_a_refusal) {
  Budget budget(2 * slab_bytes);
  int told = 0;
  budget.on_room([&] { ++told; }, 2 * slab_bytes);
  EXPECT_TRUE(budget.ask_for(Budget::Room::piece));
  Buffer* slab = budget.take();
  EXPECT_FALSE(budget.ask_for(Budget::Room::piece));
  EXPECT_EQ(told, 0);
  slab->release();
  EXPECT_EQ(told, 1);
}

TEST(Budget, a_request_for_most_of_the_limit_is_notified_once_that_much_is_free) {
  Budget budget(8 * slab_bytes);
  int told = 0;
  budget.on_room([&] { ++told; }, slab_bytes, 7 * slab_bytes);
  std::vector<Buffer*> slabs;
  while (Buffer* slab = budget.take()) slabs.push_back(slab);
  const auto release_one = [&] {
    slabs.back()->release();
    slabs.pop_back();
  };
  EXPECT_FALSE(budget.ask_for(Budget::Room::most));
  while (slabs.size() > 2) release_one();
  EXPECT_EQ(told, 0);
  release_one();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(budget.ask_for(Budget::Room::most));
  while (!slabs.empty()) release_one();
  EXPECT_EQ(told, 1);
}

TEST(Budget, a_refused_caller_is_notified_only_once_its_request_fits) {
  Budget budget(4 * slab_bytes);
  int told = 0;
  budget.on_room([&] { ++told; }, 1);
  ASSERT_TRUE(budget.reserve(slab_bytes));
  ASSERT_TRUE(budget.reserve(2 * slab_bytes));
  EXPECT_FALSE(budget.reserve(3 * slab_bytes));
  // A piece is free. The caller would be refused again.
  EXPECT_FALSE(budget.ask_for(Budget::Room::piece));
  budget.unreserve(slab_bytes);
  EXPECT_EQ(told, 0);
  budget.unreserve(2 * slab_bytes);
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(budget.reserve(3 * slab_bytes));
  budget.unreserve(3 * slab_bytes);
}

TEST(Budget, threads_taking_and_releasing_never_exceed_the_limit) {
  constexpr int threads = 4;
  constexpr int rounds = 20'000;
  Budget budget(3 * slab_bytes);
  std::atomic<int> held{0};
  std::atomic<int> max_held{0};
  std::vector<std::jthread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        Buffer* slab = budget.take();
        if (slab == nullptr) continue;
        const int now = held.fetch_add(1) + 1;
        int was = max_held.load();
        while (was < now && !max_held.compare_exchange_weak(was, now)) {
        }
        held.fetch_sub(1);
        slab->release();
      }
    });
  }
  workers.clear();
  EXPECT_LE(max_held.load(), 3);
  EXPECT_GE(max_held.load(), 1);
  EXPECT_EQ(budget.used(), 0u);
}

/// Takes slabs until it is refused.
std::vector<Buffer*> fill(Budget& budget) {
  std::vector<Buffer*> taken;
  while (Buffer* slab = budget.take()) taken.push_back(slab);
  return taken;
}
void give_back(const std::vector<Buffer*>& slabs) {
  for (Buffer* slab : slabs) slab->release();
}

TEST(SharedBudget, LimitsEachPartToFourTimesTheFreeMemory) {
  const SharedBudget shared(100 * slab_bytes);
  Budget one(shared), two(shared), three(shared);
  EXPECT_EQ(one.limit(), 80 * slab_bytes);
  const auto of_one = fill(one);
  EXPECT_EQ(of_one.size(), 80u);
  const auto of_two = fill(two);
  EXPECT_EQ(of_two.size(), 16u);
  const auto of_three = fill(three);
  EXPECT_EQ(of_three.size(), 3u);
  EXPECT_EQ(shared.used(), 99 * slab_bytes);
  give_back(of_one);
  const auto more = fill(three);
  EXPECT_EQ(more.size(), 64u) << "three has 67 then, and 17 are free";
  EXPECT_EQ(one.used(), 0u);
  for (const auto* slabs : {&of_two, &of_three, &more}) give_back(*slabs);
  EXPECT_EQ(shared.used(), 0u);
}

TEST(SharedBudget, NotifiesAPartOfMemoryThatAnotherReleases) {
  const SharedBudget shared(10 * slab_bytes);
  Budget one(shared), two(shared);
  int told = 0;
  two.on_room([&] { ++told; }, 2 * slab_bytes);
  auto of_one = fill(one);
  ASSERT_EQ(of_one.size(), 8u);
  auto of_two = fill(two);
  ASSERT_EQ(of_two.size(), 1u);
  EXPECT_EQ(told, 0);
  of_one.back()->release();
  of_one.pop_back();
  EXPECT_EQ(told, 0) << "2 are free, of which it may take one";
  give_back(of_one);
  EXPECT_EQ(told, 1);
  give_back(of_two);
  EXPECT_EQ(told, 1);
}

TEST(SharedBudget, LetsPartsReuseEachOthersSlabs) {
  const SharedBudget shared(10 * slab_bytes);
  Budget one(shared), two(shared);
  Buffer* slab = one.take();
  slab->release();
  Buffer* again = two.take();
  EXPECT_EQ(again, slab);
  again->release();
}

TEST(SharedBudget, OutlivesNeitherItsPartsNorTheirSlabs) {
  Buffer* slab = nullptr;
  {
    auto shared = std::make_unique<SharedBudget>(10 * slab_bytes);
    Budget one(*shared);
    shared.reset();
    slab = one.take();
    one.take()->release();
  }
  ASSERT_NE(slab, nullptr);
  slab->release();
}

TEST(SharedBudget, StaysWithinItsLimitWithThreads) {
  const SharedBudget shared(20 * slab_bytes);
  std::vector<std::thread> threads;
  std::atomic<bool> is_exceeded{false};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Budget own(shared);
      for (int round = 0; round < 2'000; ++round) {
        const auto slabs = fill(own);
        if (shared.used() > 20 * slab_bytes) is_exceeded = true;
        give_back(slabs);
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_FALSE(is_exceeded);
  EXPECT_EQ(shared.used(), 0u);
}

}  // namespace
}  // namespace dohle
