#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "messaging/publish/publish_chain.hpp"

namespace dohle::messaging {
namespace {

TEST(HeaderViews, have_the_headers_of_both_lists_in_their_order) {
  for (const std::size_t of_first : {0u, 1u, 2u, 3u}) {
    for (const std::size_t of_second : {0u, 1u, 2u}) {
      std::vector<Header> first, second, all;
      for (std::size_t i = 0; i < of_first; ++i) first.push_back({"a" + std::to_string(i), "x"});
      for (std::size_t i = 0; i < of_second; ++i) {
        second.push_back({"b" + std::to_string(i), std::nullopt});
      }
      all = first;
      all.insert(all.end(), second.begin(), second.end());
      const HeaderViews headers(first, second);
      ASSERT_EQ(headers.views().size(), all.size());
      for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(headers.views()[i].name, all[i].name);
        ASSERT_EQ(headers.views()[i].value.has_value(), all[i].value.has_value());
        if (all[i].value) {
          EXPECT_EQ(as_text(*headers.views()[i].value), *all[i].value);
        }
      }
    }
  }
}

}  // namespace
}  // namespace dohle::messaging
