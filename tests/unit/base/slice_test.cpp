#include "base/slice.hpp"

#include <gtest/gtest.h>

#include "base/chain.hpp"
#include "base/mapped_slice.hpp"

namespace dohle {
namespace {

TEST(Slice, sub_shares_the_buffer) {
  Slice part;
  {
    const Slice whole = Slice::copy_of("hello world");
    part = whole.sub(6);
    EXPECT_TRUE(whole.buffer()->is_shared());
  }
  EXPECT_FALSE(part.buffer()->is_shared());
  EXPECT_EQ(part.text(), "world");
  EXPECT_EQ(part.sub(1, 3).text(), "orl");
}

TEST(Slice, moving_leaves_an_empty_slice) {
  Slice a = Slice::copy_of("x");
  const Slice b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): what is tested
  EXPECT_EQ(b.text(), "x");
}

TEST(Slice, borrowed_bytes_are_not_copied) {
  static constexpr std::string_view text = "static";
  const Slice slice = Slice::borrowed(as_bytes(text));
  EXPECT_EQ(static_cast<const void*>(slice.data()), text.data());
  EXPECT_EQ(slice.buffer(), nullptr);
}

TEST(Slice, a_copy_in_pages_of_its_own_lives_as_long_as_its_last_slice) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100'000}}) {
    const std::string text(size, 'x');
    Slice end;
    {
      const Slice whole = mapped_copy_of(as_bytes(text));
      EXPECT_EQ(whole.text(), text);
      EXPECT_FALSE(whole.buffer()->is_shared());
      end = whole.sub(size / 2);
      EXPECT_TRUE(whole.buffer()->is_shared());
    }
    EXPECT_EQ(end.text(), text.substr(size / 2));
  }
}

TEST(Chain, drops_empty_pieces_and_counts_bytes) {
  Chain chain;
  chain.append(Slice{});
  chain.append(Slice::copy_of("ab"));
  chain.append(Chain(Slice::copy_of("cde")));
  EXPECT_EQ(chain.size(), 5u);
  EXPECT_EQ(chain.pieces().size(), 2u);
  EXPECT_EQ(chain.flatten()->text(), "abcde");
}

TEST(Chain, flattening_one_slice_copies_nothing) {
  const Slice slice = Slice::copy_of("abc");
  EXPECT_EQ(Chain(slice).flatten()->data(), slice.data());
  EXPECT_TRUE(Chain().flatten()->empty());
}

}  // namespace
}  // namespace dohle
