#include "base/write_queue.hpp"

#include <array>

#include <gtest/gtest.h>

namespace dohle {
namespace {

std::string gathered(const WriteQueue& queue) {
  std::array<iovec, 16> pieces;
  std::string text;
  for (std::size_t i = 0, n = queue.gather(pieces); i < n; ++i) {
    text.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  }
  return text;
}

TEST(WriteQueue, forgets_exactly_the_written_bytes) {
  const std::string text = "hello, gathered world";
  for (std::size_t written = 0; written <= text.size(); ++written) {
    WriteQueue queue;
    queue.append(Chain(Slice::copy_of("hello, ")));
    Chain rest(Slice::copy_of("gathered"));
    rest.append(Slice::copy_of(" world"));
    queue.append(std::move(rest));
    queue.consume(written);
    EXPECT_EQ(queue.size(), text.size() - written);
    EXPECT_EQ(gathered(queue), text.substr(written));
  }
}

TEST(WriteQueue, gathers_no_more_slices_than_the_caller_has_space_for) {
  WriteQueue queue;
  for (int i = 0; i < 5; ++i) queue.append(Chain(Slice::copy_of("x")));
  std::array<iovec, 3> pieces;
  EXPECT_EQ(queue.gather(pieces), 3u);
}

TEST(WriteQueue, gives_slices_of_any_size_and_shares_them) {
  const std::string text = "hello, shared world";
  for (std::size_t bytes = 1; bytes <= text.size() + 1; ++bytes) {
    WriteQueue queue;
    const Slice first = Slice::copy_of(text.substr(0, 7));
    queue.append(Chain(first));
    queue.append(Chain(Slice::copy_of(text.substr(7))));
    std::string taken;
    while (!queue.empty()) {
      std::vector<Slice> slices;
      const auto moved = queue.take_slices(bytes, slices);
      ASSERT_TRUE(moved.has_value());
      EXPECT_EQ(*moved, std::min(bytes, text.size() - taken.size()));
      if (taken.empty()) {
        EXPECT_EQ(slices.front().data(), first.data());
      }
      for (const Slice& slice : slices) taken += slice.text();
      EXPECT_EQ(queue.size(), text.size() - taken.size());
      EXPECT_EQ(queue.memory_size(), queue.size());
    }
    EXPECT_EQ(taken, text);
  }
}

}  // namespace
}  // namespace dohle
