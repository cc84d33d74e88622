#include "frames/frame_reader.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include <gtest/gtest.h>

#include "framed_play.hpp"

namespace dohle::frames {
namespace {

// Writes as much of `bytes` as there is room for, as a socket would. Returns the number of bytes.
std::size_t receive(FrameReader& reader, std::string_view bytes) {
  const auto room = reader.room();
  EXPECT_GT(room.bytes, 0u);
  std::size_t written = 0;
  for (std::size_t i = 0; i < room.count; ++i) {
    const std::size_t size = std::min(room.pieces[i].iov_len, bytes.size() - written);
    std::memcpy(room.pieces[i].iov_base, bytes.data() + written, size);
    written += size;
  }
  reader.wrote(written);
  return written;
}

// Feeds a stream in pieces of `piece` bytes. Returns the frames.
std::vector<Slice> feed(FrameReader& reader, std::string_view stream, std::size_t piece) {
  std::vector<Slice> frames;
  while (!stream.empty()) {
    const std::size_t size = receive(reader, stream.substr(0, piece));
    stream.remove_prefix(size);
    for (auto state = reader.state(); state != FrameState::need_bytes; state = reader.state()) {
      if (state == FrameState::broken) return frames;
      if (state == FrameState::length) reader.admit();
      if (state == FrameState::frame) frames.push_back(reader.take_frame());
    }
  }
  return frames;
}

TEST(FrameReader, cuts_the_same_frames_from_pieces_of_any_size) {
  ReadBuffers buffers;
  std::vector<std::string> bodies{"",
                                  "a",
                                  std::string(1000, 'b'),
                                  std::string(32 * 1024, 'c'),
                                  std::string(32 * 1024 + 1, 'd'),
                                  std::string(300'000, 'e'),
                                  "f"};
  std::string stream;
  for (const std::string& body : bodies) stream += framed_text(body);
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{3}, std::size_t{4096}, std::size_t{65'536}, stream.size()}) {
    FrameReader reader(1 << 20, &buffers);
    const auto frames = feed(reader, stream, piece);
    ASSERT_EQ(frames.size(), bodies.size()) << piece;
    for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].text(), bodies[i]);
  }
}

TEST(FrameReader, frames_that_are_held_are_not_overwritten) {
  ReadBuffers buffers;
  FrameReader reader(1 << 20, &buffers);
  std::string stream;
  for (int i = 0; i < 1000; ++i)
    stream += framed_text("frame " + std::to_string(i) + std::string(300, 'x'));
  const auto frames = feed(reader, stream, 1500);
  ASSERT_EQ(frames.size(), 1000u);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(
        frames[static_cast<std::size_t>(i)].text().starts_with("frame " + std::to_string(i)));
  }
}

// The part that is in memory of the pages that lie wholly in `bytes` bytes: 0 to 1.
double part_in_memory(const std::byte* begin, std::size_t bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto from = reinterpret_cast<std::uintptr_t>(begin);
  const std::uintptr_t skipped = (page - from % page) % page;
  std::vector<unsigned char> pages((bytes - skipped) / page);
  void* first = const_cast<std::byte*>(begin) + skipped;
  EXPECT_EQ(::mincore(first, pages.size() * page, pages.data()), 0);
  const auto found = std::ranges::count_if(pages, [](unsigned char each) { return each % 2 != 0; });
  return static_cast<double>(found) / static_cast<double>(pages.size());
}

TEST(FrameReader, frees_a_frame_that_has_not_arrived_in_pieces) {
  constexpr std::size_t piece = 1 << 20;
  ReadBuffers buffers;
  FrameReader reader(16 * piece, &buffers);
  const std::string stream = framed_text(std::string(8 * piece, 'x'));
  EXPECT_TRUE(feed(reader, std::string_view(stream).substr(0, 4 * piece + 4), 65'536).empty());
  ASSERT_EQ(reader.unfinished_bytes(), 4 * piece);
  const std::byte* frame = static_cast<std::byte*>(reader.room().pieces[0].iov_base) - 4 * piece;
  EXPECT_EQ(part_in_memory(frame + 3 * piece, piece), 1.0);
  reader.free_some(piece);
  EXPECT_EQ(reader.unfinished_bytes(), 3 * piece);
  EXPECT_EQ(part_in_memory(frame + 3 * piece, piece), 0.0);
  EXPECT_EQ(part_in_memory(frame, 3 * piece), 1.0);
  reader.free_some(2 * piece);
  EXPECT_EQ(part_in_memory(frame + piece, 2 * piece), 0.0);
  reader.free_some(2 * piece);
  EXPECT_EQ(reader.unfinished_bytes(), 0u);
}

TEST(FrameReader, invalid_lengths_break_it) {
  ReadBuffers buffers;
  FrameReader negative(1 << 20, &buffers);
  EXPECT_TRUE(feed(negative, std::string("\xff\xff\xff\xff", 4), 4).empty());
  EXPECT_TRUE(negative.error().is(Errc::malformed));
  FrameReader large(100, &buffers);
  EXPECT_TRUE(feed(large, framed_text(std::string(101, 'x')), 4).empty());
  EXPECT_TRUE(large.error().is(Errc::too_large));
  EXPECT_NE(large.error().message().find("100"), std::string_view::npos);
}

TEST(FrameReader, a_peer_with_another_protocol_is_named_by_its_first_bytes) {
  ReadBuffers buffers;
  const auto said = [&](std::string_view bytes) {
    FrameReader reader(100, &buffers);
    EXPECT_TRUE(feed(reader, bytes, bytes.size()).empty());
    return std::string(reader.error().message());
  };
  EXPECT_EQ(said("HTTP/1.1 400 Bad Request\r\n"), "the other side speaks HTTP");
  EXPECT_EQ(said("GET / HTTP/1.1\r\n"), "the other side speaks HTTP");
  EXPECT_EQ(said(std::string_view("\x15\x03\x01\x00\x02", 5)), "the other side speaks TLS");
  EXPECT_EQ(said("GETS"), "a frame of 1195725907 bytes; the limit is 100");
}

TEST(FrameReader, a_frame_waits_until_its_length_is_admitted) {
  ReadBuffers buffers;
  FrameReader reader(1 << 20, &buffers);
  const std::string stream = framed_text("body");
  receive(reader, stream);
  EXPECT_EQ(reader.state(), FrameState::length);
  EXPECT_EQ(reader.length(), 4u);
  EXPECT_EQ(reader.state(), FrameState::length);
  reader.admit();
  ASSERT_EQ(reader.state(), FrameState::frame);
  EXPECT_EQ(reader.take_frame().text(), "body");
}

TEST(FrameReader, cuts_the_same_frames_wherever_the_stream_is_split) {
  ReadBuffers buffers;
  const std::string stream = framed_text("first") + framed_text("") + framed_text("third");
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    FrameReader reader(1000, &buffers);
    auto frames = feed(reader, stream.substr(0, cut), 1000);
    for (Slice& frame : feed(reader, stream.substr(cut), 1000)) frames.push_back(std::move(frame));
    ASSERT_EQ(frames.size(), 3u) << cut;
    EXPECT_EQ(frames[0].text(), "first");
    EXPECT_EQ(frames[1].text(), "");
    EXPECT_EQ(frames[2].text(), "third");
  }
}

TEST(FrameReader, a_large_frame_after_a_large_one_is_received_in_place) {
  ReadBuffers buffers;
  FrameReader reader(1 << 20, &buffers);
  const std::string stream = framed_text(std::string(300'000, 'a'));
  ASSERT_EQ(feed(reader, stream, stream.size()).size(), 1u);
  // All bytes except those that fit beside the length are written directly into the frame's buffer.
  EXPECT_LE(reader.room().bytes, 4096u);
  receive(reader, stream);
  ASSERT_EQ(reader.state(), FrameState::length);
  reader.admit();
  ASSERT_EQ(reader.state(), FrameState::need_bytes);
  EXPECT_GE(reader.room().pieces[0].iov_len, 256u * 1024);
}

TEST(FrameReader, a_large_frame_reserves_room_for_the_next_read) {
  ReadBuffers buffers;
  FrameReader reader(10 << 20, &buffers);
  const std::string stream = framed_text(std::string(1 << 20, 'a')) + framed_text("small");
  std::size_t at = receive(reader, std::string_view(stream).substr(0, 4));
  ASSERT_EQ(reader.state(), FrameState::length);
  EXPECT_EQ(reader.room_wanted(), 0u);
  reader.admit();
  std::size_t granted = 0;
  for (const std::size_t piece : {1UZ, 1'000UZ, 300'000UZ, 5UZ, 2'000'000UZ, 2'000'000UZ,
                                  2'000'000UZ, 2'000'000UZ, 2'000'000UZ}) {
    ASSERT_EQ(reader.state(), FrameState::need_bytes);
    const std::size_t wanted = reader.room_wanted();
    EXPECT_LE(wanted, 256u * 1024);
    reader.grant_room(wanted);
    EXPECT_EQ(reader.room_wanted(), 0u);
    at += receive(reader, std::string_view(stream).substr(at, piece));
    granted += wanted - reader.take_unused_room();
    EXPECT_EQ(granted, std::min<std::size_t>(at - 4, 1 << 20));
    if (reader.state() == FrameState::frame) break;
  }
  EXPECT_EQ(reader.take_frame().size(), 1u << 20);
  EXPECT_EQ(reader.take_unused_room(), 0u);
  if (at < stream.size()) receive(reader, std::string_view(stream).substr(at));
  ASSERT_EQ(reader.state(), FrameState::length);
  reader.admit();
  EXPECT_EQ(reader.room_wanted(), 0u) << "it lies in the shared buffer";
  EXPECT_EQ(reader.state(), FrameState::frame);
}

TEST(FrameReader, an_idle_connection_returns_its_buffer) {
  ReadBuffers buffers;
  FrameReader reader(1000, &buffers);
  Buffer* const spare = buffers.take();
  buffers.give_back(spare);
  ASSERT_EQ(feed(reader, framed_text("frame"), 100).size(), 1u);
  reader.release_idle_buffer();
  Buffer* const again = buffers.take();
  EXPECT_EQ(again, spare);
  buffers.give_back(again);
}

std::vector<Slice> frames_of(FrameReader& reader) {
  std::vector<Slice> taken;
  for (;;) {
    switch (reader.state()) {
      case FrameState::length:
        reader.admit();
        break;
      case FrameState::frame:
        taken.push_back(reader.take_frame());
        break;
      default:
        return taken;
    }
  }
}

TEST(FrameReader, cuts_the_same_frames_of_slices_wherever_the_stream_is_split) {
  const std::string stream = framed_text("first") + framed_text("") + framed_text("third");
  for (std::size_t i = 0; i <= stream.size(); ++i) {
    for (std::size_t j = i; j <= stream.size(); ++j) {
      FrameReader reader(1000, nullptr);
      std::vector<Slice> all;
      for (const auto& part : {stream.substr(0, i), stream.substr(i, j - i), stream.substr(j)}) {
        reader.handed_over().add(Slice::copy_of(part));
        for (Slice& frame : frames_of(reader)) all.push_back(std::move(frame));
      }
      ASSERT_EQ(all.size(), 3u) << i << ' ' << j;
      EXPECT_EQ(all[0].text(), "first");
      EXPECT_EQ(all[1].text(), "");
      EXPECT_EQ(all[2].text(), "third");
      EXPECT_TRUE(reader.handed_over().empty());
    }
  }
}

TEST(FrameReader, a_frame_within_one_slice_is_shared) {
  FrameReader reader(1000, nullptr);
  const Slice slice = Slice::copy_of(framed_text("shared"));
  reader.handed_over().add(slice);
  const auto taken = frames_of(reader);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken.front().data(), slice.data() + 4);
}

TEST(FrameReader, a_length_above_the_limit_is_an_error_when_slices_are_handed_over) {
  FrameReader reader(5, nullptr);
  reader.handed_over().add(Slice::copy_of(framed_text("123456")));
  EXPECT_EQ(reader.state(), FrameState::broken);
  EXPECT_TRUE(reader.error().is(Errc::too_large));
}

}  // namespace
}  // namespace dohle::frames
