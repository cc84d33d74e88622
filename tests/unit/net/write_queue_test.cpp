#include "net/write_queue.hpp"

#include <array>

#include <gtest/gtest.h>

namespace dohle::net {
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

TEST(WriteQueue, gathers_no_more_than_it_is_given_room_for) {
  WriteQueue queue;
  for (int i = 0; i < 5; ++i) queue.append(Chain(Slice::copy_of("x")));
  std::array<iovec, 3> pieces;
  EXPECT_EQ(queue.gather(pieces), 3u);
}

}  // namespace
}  // namespace dohle::net
