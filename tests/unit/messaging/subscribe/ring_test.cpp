#include "messaging/subscribe/ring.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "../random_events.hpp"

namespace dohle::messaging {
namespace {

TEST(Ring, behaves_like_a_deque) {
  test::play_seeds(200, [](Random& random) {
    Ring<int> ring;
    std::deque<int> model;
    for (int i = 0; i < 300; ++i) {
      const auto what = random.below(8);
      if (what < 4) {
        ring.push_back(i);
        model.push_back(i);
      } else if (what < 7) {
        if (model.empty()) continue;
        EXPECT_EQ(ring.front(), model.front());
        if (what == 6) {
          EXPECT_EQ(ring.take_front(), model.front());
        } else {
          ring.pop_front();
        }
        model.pop_front();
      } else if (random.below(4) == 0) {
        const auto rest = static_cast<int>(random.below(3));
        const auto is_gone = [rest](int item) { return item % 3 == rest; };
        ring.remove_if(is_gone);
        std::erase_if(model, is_gone);
      }
      ASSERT_EQ(ring.size(), model.size());
      for (std::size_t at = 0; at < model.size(); ++at) ASSERT_EQ(ring[at], model[at]);
      if (model.empty()) continue;
      ASSERT_EQ(ring.back(), model.back());
    }
    ring.clear();
    EXPECT_TRUE(ring.empty());
  });
}

}  // namespace
}  // namespace dohle::messaging
