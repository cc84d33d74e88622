#include "net/frame_reader.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace dohle::net {
namespace {

std::string framed(std::string_view body) {
  const auto size = static_cast<std::uint32_t>(body.size());
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(size >> shift);
  return text + std::string(body);
}

// Feeds a stream in pieces of `piece` bytes and returns the frames that come out.
std::vector<Slice> feed(FrameReader& reader, std::string_view stream, std::size_t piece) {
  std::vector<Slice> frames;
  while (!stream.empty()) {
    const auto room = reader.room();
    const std::size_t size = std::min({piece, stream.size(), room.size()});
    std::memcpy(room.data(), stream.data(), size);
    stream.remove_prefix(size);
    reader.wrote(size);
    for (auto state = reader.state(); state != FrameReader::State::need_bytes;
         state = reader.state()) {
      if (state == FrameReader::State::broken) return frames;
      if (state == FrameReader::State::length) reader.admit();
      if (state == FrameReader::State::frame) frames.push_back(reader.take_frame());
    }
  }
  return frames;
}

TEST(FrameReader, cuts_the_same_frames_whatever_the_pieces) {
  std::vector<std::string> bodies{"",
                                  "a",
                                  std::string(1000, 'b'),
                                  std::string(32 * 1024, 'c'),
                                  std::string(32 * 1024 + 1, 'd'),
                                  std::string(300'000, 'e'),
                                  "f"};
  std::string stream;
  for (const std::string& body : bodies) stream += framed(body);
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{3}, std::size_t{4096}, std::size_t{65'536}, stream.size()}) {
    FrameReader reader(1 << 20);
    const auto frames = feed(reader, stream, piece);
    ASSERT_EQ(frames.size(), bodies.size()) << piece;
    for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].text(), bodies[i]);
  }
}

TEST(FrameReader, frames_that_are_held_are_not_overwritten) {
  FrameReader reader(1 << 20);
  std::string stream;
  for (int i = 0; i < 1000; ++i)
    stream += framed("frame " + std::to_string(i) + std::string(300, 'x'));
  const auto frames = feed(reader, stream, 1500);
  ASSERT_EQ(frames.size(), 1000u);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(
        frames[static_cast<std::size_t>(i)].text().starts_with("frame " + std::to_string(i)));
  }
}

TEST(FrameReader, lengths_that_make_no_sense_break_it) {
  FrameReader negative(1 << 20);
  EXPECT_TRUE(feed(negative, std::string("\xff\xff\xff\xff", 4), 4).empty());
  EXPECT_TRUE(negative.error().is(Errc::malformed));
  FrameReader large(100);
  EXPECT_TRUE(feed(large, framed(std::string(101, 'x')), 4).empty());
  EXPECT_TRUE(large.error().is(Errc::too_large));
  EXPECT_NE(large.error().message().find("100"), std::string_view::npos);
}

TEST(FrameReader, a_frame_waits_until_its_length_is_admitted) {
  FrameReader reader(1 << 20);
  const std::string stream = framed("body");
  const auto room = reader.room();
  std::memcpy(room.data(), stream.data(), stream.size());
  reader.wrote(stream.size());
  EXPECT_EQ(reader.state(), FrameReader::State::length);
  EXPECT_EQ(reader.length(), 4u);
  EXPECT_EQ(reader.state(), FrameReader::State::length);
  reader.admit();
  ASSERT_EQ(reader.state(), FrameReader::State::frame);
  EXPECT_EQ(reader.take_frame().text(), "body");
}

}  // namespace
}  // namespace dohle::net
