#include "messaging/failures/redirect_preparation.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

namespace dohle::messaging {
namespace {

const Error no_room = Error::client(Errc::limit_reached, "no room");

TEST(RedirectPreparation, does_not_block_the_thread_that_begins_it) {
  std::binary_semaphore goes_on(0);
  std::binary_semaphore done(0);
  RedirectPreparation preparation(
      {"a", "b"},
      [&](const std::string& topic) -> Result<RedirectTopics> {
        if (topic == "b") return fail(no_room);
        goes_on.acquire();
        return RedirectTopics{.retries = {}, .dead_letters = RedirectTopic{.name = "a.g.dlt"}};
      },
      [&] { done.release(); });
  EXPECT_FALSE(preparation.is_done()) << "its first topic waits for the test";
  goes_on.release();
  done.acquire();
  ASSERT_TRUE(preparation.is_done());
  const auto made = preparation.take();
  ASSERT_EQ(made.size(), 2u);
  EXPECT_EQ(made[0].topic, "a");
  ASSERT_TRUE(made[0].redirects);
  EXPECT_EQ(made[0].redirects->dead_letters->name, "a.g.dlt");
  EXPECT_EQ(made[1].topic, "b");
  EXPECT_FALSE(made[1].redirects);
}

TEST(RedirectPreparation, ends_after_the_topic_that_it_is_creating) {
  // The thread may outlive the preparation, but not the objects that it uses.
  struct Shared {
    std::binary_semaphore is_at_first{0};
    std::binary_semaphore goes_on{0};
    std::binary_semaphore ended{0};
    std::atomic<int> made{0};
    std::atomic<bool> was_told{false};
  };
  const auto shared = std::make_shared<Shared>();
  struct Ends {
    std::shared_ptr<Shared> shared;
    ~Ends() { shared->ended.release(); }
  };
  {
    const RedirectPreparation preparation(
        {"a", "b"},
        [shared, ends = std::make_shared<Ends>(shared)](const std::string&) {
          ++shared->made;
          shared->is_at_first.release();
          shared->goes_on.acquire();
          return Result<RedirectTopics>(RedirectTopics{});
        },
        [shared] { shared->was_told = true; });
    shared->is_at_first.acquire();
  }
  shared->goes_on.release();
  shared->ended.acquire();
  EXPECT_EQ(shared->made, 1);
  EXPECT_FALSE(shared->was_told);
}

}  // namespace
}  // namespace dohle::messaging
