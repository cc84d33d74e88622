// A FramedConnection over a scripted stream: the test makes each call and event itself.

#include "frames/framed_connection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "framed_play.hpp"

namespace dohle::frames {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(FramedConnection, hands_out_the_same_frames_however_short_reads_and_writes_are) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random(seed);
    std::string stream;
    for (std::uint64_t i = 0, count = random.below(30); i < count; ++i) {
      const std::uint64_t most = random.below(4) == 0 ? 90'000 : 300;
      stream += framed_text(std::string(random.below(most), static_cast<char>('a' + i % 26)));
    }
    if (random.below(2) == 0) stream.resize(random.below(stream.size() + 1));
    for (const bool hands_over : {false, true}) {
      SeededRandom chosen(seed);
      EXPECT_EQ(play(chosen, stream, hands_over), "") << "seed " << seed << ' ' << hands_over;
    }
  }
}

TEST(FramedConnection, hands_out_nothing_of_garbage_behind_frames) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SeededRandom random(seed);
    std::string stream = framed_text("sense");
    for (int i = 0; i < 50; ++i) stream += static_cast<char>(random.below(256));
    for (const bool hands_over : {false, true}) {
      SeededRandom chosen(seed);
      EXPECT_EQ(play(chosen, stream, hands_over), "") << "seed " << seed << ' ' << hands_over;
    }
  }
}

TEST(FramedConnection, writes_the_frames_that_a_turn_queued_with_one_call_at_its_end) {
  Framed framed;
  framed.connection->on_open(false);
  for (const char* body : {"one", "two", "three"}) {
    framed.handle->send(Chain(Slice::copy_of(framed_text(body))));
  }
  EXPECT_EQ(framed.script.written, "");
  framed.loop.turn();
  EXPECT_EQ(framed.script.written, framed_text("one") + framed_text("two") + framed_text("three"));
}

TEST(FramedConnection, continues_writing_when_its_stream_has_room_again) {
  Framed framed;
  framed.connection->on_open(false);
  framed.script.room = 3;
  framed.handle->send(Chain(Slice::copy_of("abcdef")));
  framed.run();
  EXPECT_EQ(framed.script.written, "abc");
  EXPECT_EQ(framed.handle->queued_bytes(), 3u);
  framed.script.room = SIZE_MAX;
  framed.handle->send(Chain(Slice::copy_of("g")));
  framed.run();
  EXPECT_EQ(framed.script.written, "abc") << "the stream has not told of room";
  framed.connection->on_news({.may_write = true});
  EXPECT_EQ(framed.script.written, "abcdefg");
}

TEST(FramedConnection, takes_at_most_a_megabyte_of_a_turn_for_reading_and_for_writing) {
  constexpr std::size_t body_bytes = 100'000;
  Framed framed({.max_frame_bytes = body_bytes});
  framed.connection->on_open(false);
  std::string stream;
  for (int i = 0; i < 50; ++i) stream += framed_text(std::string(body_bytes, 'x'));
  framed.arrive(stream);
  EXPECT_GE(framed.frames.size(), 10u);
  EXPECT_LE(framed.frames.size(), 14u);
  framed.script.max_written = 50'000;
  framed.handle->send(Chain(Slice::copy_of(stream)));
  EXPECT_LE(framed.script.written.size(), (std::size_t{1} << 20) + 50'000);
  framed.run();
  EXPECT_EQ(framed.frames.size(), 50u);
  EXPECT_EQ(framed.script.written, stream);
}

TEST(FramedConnection, asks_for_room_as_bytes_of_a_large_frame_arrive) {
  Framed framed;
  framed.connection->on_open(false);
  const std::string frame = framed_text(std::string(300'000, 'x'));
  framed.arrive(std::string_view(frame).substr(0, 4));
  EXPECT_THAT(framed.lengths, ElementsAre(300'000u));
  EXPECT_EQ(framed.granted, 0u);
  framed.arrive(std::string_view(frame).substr(4, 1'000));
  EXPECT_EQ(framed.granted, 1'000u) << "what did not come is given back";
  framed.room = Admission::hold;
  framed.arrive(std::string_view(frame).substr(1'004));
  EXPECT_THAT(framed.frames, IsEmpty());
  framed.room = Admission::accept;
  framed.handle->resume_reading();
  framed.run();
  ASSERT_EQ(framed.frames.size(), 1u);
  EXPECT_EQ(framed.granted, 300'000u);
}

TEST(FramedConnection, asks_once_for_a_frame_whose_slices_are_handed_over_and_shares_them) {
  Framed framed({}, true);
  framed.connection->on_open(false);
  framed.arrive(framed_text(std::string(300'000, 'x')));
  ASSERT_EQ(framed.frames.size(), 1u);
  EXPECT_EQ(framed.granted, 300'000u);
}

TEST(FramedConnection, ends_its_writes_before_a_gentle_close) {
  Framed framed;
  framed.connection->on_open(false);
  framed.script.room = 3;
  framed.handle->send(Chain(Slice::copy_of("abcdef")));
  framed.handle->close_after_writes();
  EXPECT_FALSE(framed.script.is_closed);
  framed.arrive("nobody reads it");
  framed.script.room = SIZE_MAX;
  framed.connection->on_news({.may_write = true});
  EXPECT_EQ(framed.script.written, "abcdef");
  EXPECT_TRUE(framed.script.has_ended_writes);
  EXPECT_TRUE(framed.script.is_closed);
  framed.run();
  EXPECT_THAT(framed.events, ElementsAre("open"));
}

TEST(FramedConnection, closes_at_once_when_the_peer_dies_during_a_gentle_close) {
  Framed framed;
  framed.connection->on_open(false);
  framed.script.room = 0;
  framed.handle->send(Chain(Slice::copy_of("abcdef")));
  framed.handle->close_after_writes();
  EXPECT_FALSE(framed.script.is_closed);
  framed.connection->on_news({.may_read = true, .is_dead = true});
  EXPECT_TRUE(framed.script.is_closed);
  EXPECT_FALSE(framed.script.has_ended_writes);
}

TEST(FramedConnection, frees_a_long_queue_in_pieces_after_it_was_accepted_and_closed) {
  Framed framed({}, false, "");
  framed.script.room = 0;
  framed.connection->on_open(false);
  constexpr std::size_t pieces = 5;
  Chain bytes;
  for (std::size_t i = 0; i < pieces; ++i) bytes.append(Slice::copy_of(std::string(1 << 20, 'x')));
  framed.handle->send(std::move(bytes));
  framed.loop.has_short_turns = true;
  framed.handle->close();
  EXPECT_TRUE(framed.script.is_closed);
  std::size_t left = pieces << 20;
  EXPECT_EQ(framed.handle->queued_memory_bytes(), left);
  for (std::size_t i = 0; i < pieces; ++i) {
    framed.loop.turn();
    left -= std::size_t{1} << 20;
    EXPECT_EQ(framed.handle->queued_memory_bytes(), left);
  }
  EXPECT_FALSE(framed.loop.turn());
}

TEST(FramedConnection, frees_a_large_frame_in_pieces_that_had_not_arrived_when_it_was_closed) {
  constexpr std::size_t piece = 1 << 20;
  Framed framed({}, false, "");
  framed.connection->on_open(false);
  const std::string frame = framed_text(std::string(8 * piece, 'x'));
  framed.arrive(std::string_view(frame).substr(0, 4 * piece));
  framed.run();
  EXPECT_EQ(framed.granted, 4 * piece - 4);
  framed.loop.has_short_turns = true;
  framed.handle.reset();
  framed.connection.reset();
  EXPECT_TRUE(framed.script.is_closed);
  int turns = 0;
  while (framed.loop.turn()) ++turns;
  EXPECT_EQ(turns, 4);
}

TEST(FramedConnection, frees_the_queue_of_a_dialed_one_when_it_closes) {
  Framed framed;
  framed.script.room = 0;
  framed.connection->on_open(false);
  framed.handle->send(Chain(Slice::copy_of(std::string(4 << 20, 'x'))));
  framed.handle->close();
  EXPECT_EQ(framed.handle->queued_memory_bytes(), 0u);
}

TEST(FramedConnection, reports_nothing_but_a_reset_to_a_paused_reader) {
  Framed framed;
  framed.connection->on_open(false);
  framed.handle->pause_reading();
  framed.script.has_ended = true;
  framed.connection->on_news({.may_read = true, .is_dead = true});
  EXPECT_THAT(framed.events, ElementsAre("open")) << "the end waits until reading resumes";
  framed.connection->on_news({.may_read = true, .is_dead = true, .is_reset = true});
  EXPECT_THAT(framed.events, ElementsAre("open", "closed"));
  EXPECT_EQ(framed.error, "connection to peer: reset by the other side");
}

TEST(FramedConnection, reports_a_failed_write_in_a_later_turn) {
  Framed framed;
  framed.connection->on_open(false);
  framed.script.fails_writes = true;
  framed.handle->send(Chain(Slice::copy_of("abc")));
  framed.handle->flush();
  EXPECT_THAT(framed.events, ElementsAre("open"));
  framed.run();
  EXPECT_THAT(framed.events, ElementsAre("open", "closed"));
  EXPECT_EQ(framed.error, "connection to peer: broken");
}

TEST(FramedConnection, names_the_dialed_address_when_its_stream_never_opens) {
  Framed framed;
  framed.connection->on_lost(Error::client(Errc::connection_failed, "refused"));
  EXPECT_THAT(framed.events, ElementsAre("closed"));
  EXPECT_EQ(framed.error, "connecting to dialed: refused");
}

TEST(FramedConnection, ends_when_no_byte_moved_either_way_for_its_idle_timeout) {
  Framed framed({.idle_timeout = 10ms});
  framed.connection->on_open(false);
  const auto pass = [&](std::chrono::milliseconds span) {
    framed.loop.pass(span);
    framed.run();
  };
  pass(9ms);
  framed.arrive(std::string_view("\0", 1));
  pass(9ms);
  framed.handle->send(Chain(Slice::copy_of("abc")));
  framed.run();
  pass(9ms);
  framed.connection->on_news({.may_read = true});
  pass(9ms);
  EXPECT_THAT(framed.events, ElementsAre("open", "closed")) << "news without a byte do not count";
  EXPECT_THAT(framed.error, HasSubstr("idle for 10 ms"));
  EXPECT_FALSE(framed.loop.has_timers());
}

TEST(FramedConnection, may_be_destroyed_in_each_of_its_events) {
  Framed framed;
  framed.on_frame_do = [&] {
    framed.handle.reset();
    framed.connection.reset();
  };
  framed.connection->on_open(false);
  framed.script.arrived.add(Slice::copy_of(framed_text("one") + framed_text("two")));
  framed.connection->on_news({.may_read = true});
  EXPECT_THAT(framed.frames, ElementsAre("one"));
  EXPECT_TRUE(framed.script.is_closed);
}

}  // namespace
}  // namespace dohle::frames
