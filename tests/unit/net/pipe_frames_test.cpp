#include "net/pipe_frames.hpp"

#include "sides.hpp"

namespace dohle::net {
namespace {

std::vector<Slice> frames_of(PipeFrames& frames) {
  std::vector<Slice> taken;
  for (;;) {
    switch (frames.state()) {
      case FrameState::length:
        frames.admit();
        break;
      case FrameState::frame:
        taken.push_back(frames.take_frame());
        break;
      default:
        return taken;
    }
  }
}

TEST(PipeFrames, cuts_the_same_frames_wherever_the_stream_is_split) {
  const std::string stream = std::string(framed("first").text()) + std::string(framed("").text()) +
                             std::string(framed("third").text());
  for (std::size_t i = 0; i <= stream.size(); ++i) {
    for (std::size_t j = i; j <= stream.size(); ++j) {
      PipeFrames frames(1000);
      std::vector<Slice> all;
      for (const auto& part : {stream.substr(0, i), stream.substr(i, j - i), stream.substr(j)}) {
        frames.add(Slice::copy_of(part));
        for (Slice& frame : frames_of(frames)) all.push_back(std::move(frame));
      }
      ASSERT_EQ(all.size(), 3u) << i << ' ' << j;
      EXPECT_EQ(all[0].text(), "first");
      EXPECT_EQ(all[1].text(), "");
      EXPECT_EQ(all[2].text(), "third");
      EXPECT_EQ(frames.size(), 0u);
    }
  }
}

TEST(PipeFrames, a_frame_within_one_slice_is_shared) {
  PipeFrames frames(1000);
  const Slice slice = framed("shared");
  frames.add(slice);
  const auto taken = frames_of(frames);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken.front().data(), slice.data() + 4);
}

TEST(PipeFrames, a_length_above_the_limit_breaks_it) {
  PipeFrames frames(5);
  frames.add(framed("123456"));
  EXPECT_EQ(frames.state(), FrameState::broken);
  EXPECT_TRUE(frames.error().is(Errc::too_large));
}

}  // namespace
}  // namespace dohle::net
