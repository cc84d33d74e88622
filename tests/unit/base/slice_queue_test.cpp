#include "base/slice_queue.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace dohle {
namespace {

TEST(SliceQueue, returns_its_bytes_in_order_however_they_are_added_and_taken) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    SliceQueue queue;
    SliceQueue other;
    std::string in;
    std::string out;
    for (int i = 0; i < 500; ++i) {
      const std::string text(random.below(20), static_cast<char>('a' + i % 26));
      queue.add(Slice::copy_of(text));
      in += text;
      std::string taken;
      switch (random.below(4)) {
        case 0:
          taken = queue.take(random.below(queue.size() + 1)).text();
          break;
        case 1:
          taken.resize(random.below(queue.size() + 1));
          queue.copy_to(std::as_writable_bytes(std::span(taken)));
          break;
        case 2: {
          const std::size_t moved = queue.move_to(other, random.below(30));
          EXPECT_EQ(moved, other.size());
          taken = other.take(moved).text();
          break;
        }
        default:
          break;
      }
      out += taken;
      ASSERT_EQ(queue.size(), in.size() - out.size()) << "seed " << seed;
    }
    out += queue.take(queue.size()).text();
    EXPECT_EQ(out, in) << "seed " << seed;
    EXPECT_TRUE(queue.empty());
  }
}

TEST(SliceQueue, shares_bytes_that_lie_within_one_slice) {
  SliceQueue queue;
  const Slice slice = Slice::copy_of("shared");
  queue.add(slice);
  EXPECT_EQ(queue.take(2).data(), slice.data());
  EXPECT_EQ(queue.take(4).data(), slice.data() + 2);
}

}  // namespace
}  // namespace dohle
