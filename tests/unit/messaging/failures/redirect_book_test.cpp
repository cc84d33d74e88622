#include "messaging/failures/redirect_book.hpp"

#include <gtest/gtest.h>

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;

RedirectTopics with_prefix(const std::string& prefix) {
  return {.retries = {{.name = prefix + ".retry.1s", .delay = 1s},
                      {.name = prefix + ".retry.5s", .delay = 5s}},
          .dead_letters = RedirectTopic{.name = prefix + ".dlt"}};
}

TEST(RedirectBook, has_the_topics_of_the_only_source) {
  const RedirectBook book(with_prefix("a.g"));
  const auto source = book.find("a");
  EXPECT_EQ(source.level, 0u);
  EXPECT_EQ(source.topics->dead_letters->name, "a.g.dlt");
  const auto retry = book.find("a.g.retry.5s");
  EXPECT_EQ(retry.level, 2u);
  EXPECT_EQ(retry.topics, source.topics);
}

TEST(RedirectBook, has_the_topics_of_each_source_and_of_its_retry_topics) {
  RedirectBook book({});
  book.set("a", with_prefix("a.g"));
  book.set("b", with_prefix("b.g"));
  EXPECT_EQ(book.find("a").topics->retries[0].name, "a.g.retry.1s");
  EXPECT_EQ(book.find("b").topics->retries[0].name, "b.g.retry.1s");
  EXPECT_EQ(book.find("b.g.retry.1s").level, 1u);
  EXPECT_EQ(book.find("b.g.retry.1s").topics, book.find("b").topics);
  EXPECT_EQ(book.find("c").level, 0u);
  EXPECT_TRUE(book.find("c").topics->empty());
}

TEST(RedirectBook, forgets_a_source_that_is_dropped) {
  RedirectBook book({});
  book.set("a", with_prefix("a.g"));
  book.set("b", with_prefix("b.g"));
  const auto kept = book.find("a").topics;
  book.drop("a");
  book.drop("unknown");
  EXPECT_EQ(book.find("a.g.retry.1s").level, 0u);
  EXPECT_TRUE(book.find("a").topics->empty());
  EXPECT_EQ(book.find("b.g.retry.1s").level, 1u);
  EXPECT_EQ(kept->dead_letters->name, "a.g.dlt") << "a partition that is still assigned keeps it";
}

TEST(RedirectBook, keeps_retry_topics_that_a_prefix_makes_sources_share) {
  RedirectBook book({});
  book.set("a", with_prefix("team"));
  book.set("b", with_prefix("team"));
  book.drop("a");
  EXPECT_EQ(book.find("team.retry.5s").level, 2u);
  book.set("b", with_prefix("team"));
  book.drop("b");
  EXPECT_EQ(book.find("team.retry.5s").level, 0u);
}

}  // namespace
}  // namespace dohle::messaging
