#include "messaging/events/event_pool.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace dohle::messaging {
namespace {

std::shared_ptr<int> watched(std::weak_ptr<int>& watch) {
  auto bytes = std::make_shared<int>(1);
  watch = bytes;
  return bytes;
}

TEST(EventPool, uses_the_memory_of_an_event_again_once_it_has_no_references) {
  const auto pool = EventPool::create(10);
  EventPointer event = pool->make();
  const EventState* const memory = event.get();
  EventPointer other = event;
  event.reset();
  EXPECT_NE(pool->make().get(), memory) << "it has a reference";
  other.reset();
  const EventPointer a = pool->make(), b = pool->make();
  EXPECT_TRUE(a.get() == memory || b.get() == memory);
  EXPECT_EQ(pool->made(), 2u);
}

TEST(EventPool, gives_each_event_its_defaults) {
  const auto pool = EventPool::create(10);
  {
    const EventPointer event = pool->make();
    event->attempt = 3;
    event->settled = EventState::Settled::acked;
    event->is_running = true;
    event->nacked_with = Error::client(Errc::handler_failed, "no");
    event->failed_reply = event->nacked_with;
  }
  const EventPointer again = pool->make();
  EXPECT_EQ(again->attempt, 1);
  EXPECT_EQ(again->settled, EventState::Settled::pending);
  EXPECT_FALSE(again->is_running);
  EXPECT_FALSE(again->nacked_with.has_value());
  EXPECT_FALSE(again->failed_reply.has_value());
}

TEST(EventPool, makes_a_second_delivery_that_is_settled_separately) {
  const auto pool = EventPool::create(10);
  std::weak_ptr<int> bytes;
  EventPointer first = pool->make();
  first->buffer = new FetchedBytes(watched(bytes), 1);
  first->offset = Offset{7};
  first->settled = EventState::Settled::nacked;
  const EventPointer second = pool->make_again(*first);
  EXPECT_EQ(second->settled, EventState::Settled::pending);
  EXPECT_EQ(second->offset, Offset{7});
  first.reset();
  EXPECT_FALSE(bytes.expired()) << "the second delivery refers to the bytes";
}

TEST(EventPool, frees_the_bytes_of_a_poll_with_their_last_event) {
  const auto pool = EventPool::create(10);
  std::weak_ptr<int> watch;
  auto* const bytes = new FetchedBytes(watched(watch), 3);
  EventPointer a = pool->make(), b = pool->make();
  a->buffer = b->buffer = bytes;
  a.reset();
  bytes->drop(1);
  EXPECT_FALSE(watch.expired());
  b.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(EventPool, frees_memory_above_its_bound) {
  const auto pool = EventPool::create(4);
  {
    const std::vector<EventPointer> many = {pool->make(), pool->make(), pool->make(), pool->make(),
                                            pool->make(), pool->make(), pool->make(), pool->make()};
  }
  EXPECT_EQ(pool->made(), 8u);
  for (int i = 0; i < 8; ++i) (void)pool->make();
  EXPECT_EQ(pool->made(), 4u);
}

TEST(EventPool, finds_a_remembered_event_until_its_last_reference_ends) {
  const auto pool = EventPool::create(0);
  EventPointer event = pool->make();
  EventState& memory = *event;
  const std::uint64_t use = memory.use;
  ++memory.remembered;
  EXPECT_EQ(EventPool::find(memory, use).get(), &memory);
  event.reset();
  EXPECT_FALSE(EventPool::find(memory, use));
  const EventPointer other = pool->make();
  for (int i = 0; i < 4; ++i) (void)pool->make();
  EXPECT_FALSE(EventPool::find(memory, use)) << "the memory is there, and another event's";
}

TEST(EventPool, lives_until_its_last_event_ends) {
  std::weak_ptr<int> watch;
  EventPointer event;
  {
    const auto pool = EventPool::create(10);
    event = pool->make();
    event->buffer = new FetchedBytes(watched(watch), 1);
    (void)pool->make();
  }
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(event->pool->sink(), nullptr) << "nothing takes its ack";
  event.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(EventPool, takes_events_back_from_other_threads_while_it_ends) {
  for (int round = 0; round < 200; ++round) {
    auto pool = EventPool::create(100);
    std::vector<EventPointer> events;
    for (int i = 0; i < 20; ++i) events.push_back(pool->make());
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([mine = std::vector<EventPointer>(
                                events.begin() + 5 * i, events.begin() + 5 * (i + 1))]() mutable {
        for (EventPointer& event : mine) event.reset();
      });
    }
    events.clear();
    pool.reset();
  }
}

}  // namespace
}  // namespace dohle::messaging
