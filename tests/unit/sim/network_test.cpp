#include "sim/network.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "scripted_peer.hpp"

namespace dohle::sim {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Network, opens_both_ends_and_carries_frames_both_ways) {
  Pair pair;
  pair.connect();
  pair.server_peer().echo = true;
  pair.peer().connection->send(framed("one"));
  pair.peer().connection->send(framed(""));
  pair.peer().connection->send(framed("three"));
  pair.world.run_for(100ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "one", "", "three"));
  EXPECT_THAT(pair.peer().events, ElementsAre("open", "one", "", "three"));
  EXPECT_EQ(pair.peer().connection->peer(), "node:9092");
  EXPECT_THAT(pair.server_peer().connection->peer(), HasSubstr("client:"));
}

TEST(Network, keeps_the_order_of_frames_however_they_are_cut_into_pieces) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Pair pair(seed);
    pair.connect();
    std::vector<std::string> sent;
    for (std::size_t i = 0; i < 200; ++i) {
      sent.push_back(std::to_string(i) + std::string(pair.world.random().below(3000), 'x'));
      pair.peer().connection->send(framed(sent.back()));
      if (i % 7 == 0) pair.world.run_for(100us);
    }
    pair.world.run_for(1s);
    sent.insert(sent.begin(), "open");
    EXPECT_EQ(pair.server_peer().events, sent) << "seed " << seed;
  }
}

TEST(Network, no_event_comes_from_within_a_call) {
  Pair pair;
  pair.dial();
  EXPECT_THAT(pair.peer().events, IsEmpty());
  pair.world.run_for(50ms);
  pair.peer().events.clear();
  pair.peer().connection->send(framed("a"));
  pair.peer().connection->flush();
  pair.peer().connection->resume_reading();
  EXPECT_THAT(pair.peer().events, IsEmpty());
}

TEST(Network, a_port_without_listener_refuses) {
  Pair pair;
  pair.dial({}, {"node", 1});
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.peer().events, ElementsAre("closed"));
  EXPECT_EQ(pair.peer().error, "connecting to node:1: refused");
}

TEST(Network, an_unknown_name_does_not_resolve) {
  Pair pair;
  pair.dial({}, {"nowhere", 1});
  EXPECT_THAT(pair.peer().events, IsEmpty());
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.peer().events, ElementsAre("closed"));
  EXPECT_THAT(pair.peer().error, HasSubstr("nowhere"));
}

TEST(Network, a_refusing_machine_refuses_until_it_accepts_again) {
  Pair pair;
  pair.world.network().refuse("node");
  pair.connect();
  EXPECT_THAT(pair.peer().events, ElementsAre("closed"));
  EXPECT_EQ(pair.world.faults().of(Fault::refuse), 1u);
  pair.world.network().refuse("node", false);
  pair.connect();
  EXPECT_THAT(pair.peer().events, ElementsAre("closed", "open"));
}

TEST(Network, a_dial_through_a_cut_ends_with_its_timeout) {
  Pair pair;
  pair.world.network().cut("node", "client");
  pair.dial({.limits = {}, .connect_timeout = 3s});
  pair.world.run_for(2900ms);
  EXPECT_THAT(pair.peer().events, IsEmpty());
  pair.world.run_for(200ms);
  EXPECT_THAT(pair.peer().events, ElementsAre("closed"));
  EXPECT_EQ(pair.peer().error, "connecting to node:9092: no answer within 3000 ms");
  EXPECT_EQ(pair.world.faults().of(Fault::cut), 1u);
}

TEST(Network, a_dial_outlives_a_short_cut) {
  Pair pair;
  pair.world.network().cut("node", "client");
  pair.dial();
  pair.world.run_for(500ms);
  pair.world.network().heal("node", "client");
  pair.world.run_for(2s);
  EXPECT_THAT(pair.peer().events, ElementsAre("open"));
}

TEST(Network, a_cut_delays_bytes_and_a_heal_delivers_them_once_in_order) {
  Pair pair;
  pair.connect();
  pair.world.network().cut("node", "client");
  for (const char* body : {"a", "b", "c"}) {
    pair.peer().connection->send(framed(body));
    pair.world.run_for(300ms);
  }
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open"));
  pair.world.network().heal("node", "client");
  pair.world.run_for(6s);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "a", "b", "c"));
}

TEST(Network, a_cut_that_lasts_ends_the_connection_at_the_sender_only) {
  Pair pair;
  pair.connect();
  pair.world.network().cut("node", "client");
  pair.peer().connection->send(framed("a"));
  pair.world.run_for(40s);
  EXPECT_THAT(pair.peer().events, ElementsAre("open", "closed"));
  EXPECT_THAT(pair.peer().error, HasSubstr("nothing acknowledged for 30000 ms"));
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open"));
}

TEST(Network, a_one_way_cut_stops_one_direction) {
  Pair pair;
  pair.connect();
  pair.world.network().cut_one_way("node", "client");
  pair.peer().connection->send(framed("request"));
  pair.server_peer().connection->send(framed("answer"));
  pair.world.run_for(2s);
  EXPECT_TRUE(pair.server_peer().saw("request"));
  EXPECT_FALSE(pair.peer().saw("answer"));
  EXPECT_EQ(pair.world.faults().of(Fault::cut_one_way), 1u);
}

TEST(Network, delayed_bytes_arrive_late_and_new_connections_do_not_wait) {
  Pair pair;
  pair.connect();
  Peer& first = pair.server_peer();
  EXPECT_EQ(pair.world.network().hold_back("client", "node"), 1u);
  pair.peer().connection->send(framed("late"));
  first.connection->send(framed("the other way"));
  pair.world.run_for(1s);
  EXPECT_THAT(first.events, ElementsAre("open"));
  EXPECT_THAT(pair.peer().events, ElementsAre("open", "the other way"));
  EXPECT_EQ(pair.world.faults().of(Fault::held_back), 1u);
  // The client has given up, but its kernel keeps trying.
  pair.connect();
  pair.peer().connection->send(framed("in time"));
  pair.world.run_for(1s);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "in time"));
  EXPECT_THAT(first.events, ElementsAre("open"));
  pair.world.network().heal("node", "client");
  pair.world.run_for(1ms);
  EXPECT_THAT(first.events, ElementsAre("open", "late", "closed"));
}

TEST(Network, bytes_delayed_for_long_end_the_connection_at_the_sender) {
  Pair pair;
  pair.connect();
  pair.world.network().hold_back("client", "node");
  pair.peer().connection->send(framed("a"));
  pair.world.run_for(40s);
  EXPECT_THAT(pair.peer().events, ElementsAre("open", "closed"));
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open"));
}

TEST(Network, each_frame_is_reported_before_it_is_read) {
  Pair pair;
  std::vector<std::string> heard;
  pair.world.on_frame([&](const ReadFrame& frame) {
    EXPECT_THAT(pair.server_peer().events, Not(Contains(std::string(frame.bytes.text()))));
    heard.push_back(std::string(frame.dialer) + (frame.is_read_by_dialer ? " < " : " > ") +
                    std::string(frame.dialed) + ": " + std::string(frame.bytes.text()));
  });
  pair.connect();
  pair.peer().connection->send(framed("ask"));
  pair.world.run_for(10ms);
  pair.server_peer().connection->send(framed("answer"));
  pair.world.run_for(10ms);
  EXPECT_THAT(heard, ElementsAre("client > node:9092: ask", "client < node:9092: answer"));
}

TEST(Network, a_killed_process_closes_its_connections) {
  Pair pair;
  pair.connect();
  pair.node.kill();
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.peer().events, ElementsAre("open", "closed"));
  EXPECT_THAT(pair.peer().error, HasSubstr("by the other side"));
}

TEST(Network, a_machine_without_power_leaves_the_other_end_half_open) {
  Pair pair;
  pair.connect();
  pair.world.machine("node").lose_power();
  pair.world.run_for(20s);
  EXPECT_THAT(pair.peer().events, ElementsAre("open"));
  pair.peer().connection->send(framed("a"));
  pair.world.run_for(5s);
  EXPECT_THAT(pair.peer().events, ElementsAre("open"));
  pair.world.machine("node").power_on();
  pair.world.run_for(6s);
  EXPECT_THAT(pair.peer().events, ElementsAre("open", "closed"));
  EXPECT_THAT(pair.peer().error, HasSubstr("reset"));
}

TEST(Network, a_reset_ends_both_sides_and_may_cut_a_frame_short) {
  bool was_cut_short = false;
  bool had_some = false;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Pair pair(seed);
    pair.connect();
    for (int i = 0; i < 20; ++i) pair.peer().connection->send(framed(std::string(20'000, 'x')));
    pair.world.run_for(200us);
    EXPECT_EQ(pair.world.network().reset("client", "node"), 1u);
    pair.world.run_for(50ms);
    EXPECT_EQ(pair.peer().events.back(), "closed");
    EXPECT_EQ(pair.server_peer().events.back(), "closed");
    const auto frames = pair.server_peer().events.size() - 2;
    was_cut_short |= frames < 20;
    had_some |= frames > 0;
  }
  EXPECT_TRUE(was_cut_short);
  EXPECT_TRUE(had_some);
}

TEST(Network, a_slow_link_delays_bytes_by_their_size) {
  WorldOptions options;
  options.network.link.spike_one_in = 0;
  Pair pair(1, options);
  pair.connect();
  pair.world.network().slow("client", "node", 1, 100'000);
  pair.peer().connection->send(framed(std::string(100'000, 'x')));
  pair.world.run_for(900ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open"));
  pair.world.run_for(300ms);
  EXPECT_EQ(pair.server_peer().events.size(), 2u);
  EXPECT_EQ(pair.world.faults().of(Fault::slow_link), 1u);
}

TEST(Network, closing_reaches_the_other_side_after_sent_bytes) {
  Pair pair;
  pair.connect();
  pair.peer().connection->send(framed("last"));
  pair.peer().connection->close_after_writes();
  pair.peer().connection.reset();
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "last", "closed"));
  EXPECT_THAT(pair.peer().events, ElementsAre("open"));
}

TEST(Network, a_connection_that_is_destroyed_while_it_drains_drops_the_rest) {
  Pair pair;
  pair.connect();
  for (int i = 0; i < 10; ++i) pair.peer().connection->send(framed(std::string(100'000, 'x')));
  pair.peer().connection->close_after_writes();
  pair.peer().connection.reset();
  pair.world.run_for(1s);
  EXPECT_LT(pair.server_peer().events.size(), 11u);
  EXPECT_EQ(pair.server_peer().events.back(), "closed");
}

TEST(Network, a_paused_reader_learns_of_a_reset) {
  Pair pair;
  pair.connect();
  pair.server_peer().connection->pause_reading();
  pair.world.network().reset("node", "client");
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "closed"));
}

TEST(Network, close_drops_queued_bytes_without_an_event) {
  Pair pair;
  pair.connect();
  pair.peer().connection->send(framed("never"));
  pair.peer().connection->close();
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "closed"));
  EXPECT_THAT(pair.peer().events, ElementsAre("open"));
}

TEST(Network, closing_from_an_event_ends_the_events) {
  Pair pair;
  pair.connect();
  pair.server_peer().after_event = [&] { pair.server_peer().connection->close(); };
  pair.peer().connection->send(framed("one"));
  pair.peer().connection->send(framed("two"));
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "one"));
}

TEST(Network, destroying_from_an_event_is_safe) {
  Pair pair;
  pair.connect();
  pair.server_peer().after_event = [&] { pair.server_peer().connection.reset(); };
  pair.peer().connection->send(framed("one"));
  pair.peer().connection->send(framed("two"));
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "one"));
  EXPECT_THAT(pair.peer().events, ElementsAre("open", "closed"));
}

TEST(Network, a_held_frame_is_offered_again_and_blocks_the_sender) {
  ConnectionLimits limits;
  Pair pair(1, {}, limits);
  pair.connect();
  Peer& server = pair.server_peer();
  server.admission = Admission::hold;
  const std::string large(100'000, 'x');
  for (int i = 0; i < 20; ++i) pair.peer().connection->send(framed(large));
  pair.world.run_for(1s);
  EXPECT_EQ(std::ranges::count(server.events, "asked"), 1);
  EXPECT_GT(pair.peer().connection->queued_bytes(), 1'000'000u);
  server.admission = Admission::accept;
  server.connection->resume_reading();
  pair.world.run_for(5s);
  EXPECT_EQ(std::ranges::count(server.events, large), 20);
  EXPECT_EQ(pair.peer().connection->queued_bytes(), 0u);
}

TEST(Network, a_paused_reader_gets_nothing_until_it_resumes) {
  Pair pair;
  pair.connect();
  pair.server_peer().after_event = [&] { pair.server_peer().connection->pause_reading(); };
  pair.peer().connection->send(framed("one"));
  pair.peer().connection->send(framed("two"));
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "one"));
  pair.server_peer().connection->resume_reading();
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "one", "two"));
}

TEST(Network, a_full_write_queue_is_reported_and_so_is_its_draining) {
  Pair pair;
  DialOptions options;
  options.limits.max_write_queue_bytes = 500'000;
  pair.connect(options);
  const std::string large(400'000, 'x');
  EXPECT_TRUE(pair.peer().connection->send(framed(large)));
  EXPECT_FALSE(pair.peer().connection->send(framed(large)));
  pair.world.run_for(1s);
  EXPECT_THAT(pair.peer().events, ElementsAre("open", "drained"));
}

TEST(Network, an_oversized_frame_closes_without_asking_for_admission) {
  ConnectionLimits limits;
  limits.max_frame_bytes = 10;
  Pair pair(1, {}, limits);
  pair.connect();
  pair.peer().connection->send(framed("0123456789"));
  pair.peer().connection->send(framed("01234567890"));
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "0123456789", "closed"));
  EXPECT_THAT(pair.server_peer().error, HasSubstr("11 bytes; the limit is 10"));
  EXPECT_EQ(pair.peer().events.back(), "closed");
}

TEST(Network, a_negative_length_closes) {
  Pair pair;
  pair.connect();
  pair.peer().connection->send(Chain(Slice::copy_of(std::string(4, '\xff'))));
  pair.world.run_for(50ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "closed"));
}

TEST(Network, an_idle_connection_is_closed_after_its_timeout) {
  ConnectionLimits limits;
  limits.idle_timeout = 5s;
  Pair pair(1, {}, limits);
  pair.connect();
  pair.world.run_for(4s);
  pair.peer().connection->send(framed("still here"));
  pair.world.run_for(4s);
  EXPECT_FALSE(pair.server_peer().saw("closed"));
  pair.world.run_for(2s);
  EXPECT_TRUE(pair.server_peer().saw("closed"));
  EXPECT_TRUE(pair.peer().saw("closed"));
}

TEST(Network, a_paused_listener_leaves_connections_in_the_backlog) {
  Pair pair;
  pair.server().listener->pause();
  pair.connect();
  pair.peer().connection->send(framed("early"));
  pair.world.run_for(100ms);
  EXPECT_THAT(pair.peer().events, ElementsAre("open"));
  EXPECT_THAT(pair.server().peers, IsEmpty());
  pair.server().listener->resume();
  pair.world.run_for(100ms);
  EXPECT_THAT(pair.server_peer().events, ElementsAre("open", "early"));
}

TEST(Network, an_acceptor_that_refuses_closes_the_connection) {
  Pair pair;
  pair.server().refuses = true;
  pair.connect();
  EXPECT_THAT(pair.peer().events, ElementsAre("open", "closed"));
}

TEST(Network, a_port_is_taken_once_and_free_again_after_the_listener) {
  Pair pair;
  Server second(pair.node);
  EXPECT_THAT(second.error, HasSubstr("in use"));
  pair.server().listener.reset();
  Server third(pair.node);
  EXPECT_EQ(third.error, "");
}

TEST(Network, port_zero_picks_one) {
  Pair pair;
  auto made = pair.node.listening().listen({"127.0.0.1", 0}, {}, pair.server());
  ASSERT_TRUE(made);
  EXPECT_NE((*made)->local().port, 0);
}

}  // namespace
}  // namespace dohle::sim
