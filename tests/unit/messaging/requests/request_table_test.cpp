#include "messaging/requests/request_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "../random_events.hpp"

namespace dohle::messaging {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

using Table = RequestTable<std::string>;
using Kind = Table::Kind;

constexpr std::uint64_t requester = 0x0102030405060708u;

TimePoint at(std::chrono::milliseconds time) {
  return TimePoint(time);
}

TEST(CorrelationId, is_sixteen_bytes_big_endian) {
  const CorrelationId id{requester, 0xa1};
  EXPECT_EQ(id.bytes(), std::string("\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\xa1", 16));
  EXPECT_EQ(CorrelationId::parse(id.bytes()), id);
  EXPECT_EQ(CorrelationId::parse("short"), std::nullopt);
  EXPECT_EQ(CorrelationId::parse(std::string(17, 'x')), std::nullopt);
}

TEST(RequestTable, gives_a_reply_to_its_request_once) {
  Table table(requester, 10);
  const auto one = table.add(at(5s), "one");
  const auto two = table.add(at(3s), "two");
  ASSERT_TRUE(one && two);
  EXPECT_EQ(table.next_deadline(), at(3s));
  EXPECT_EQ(table.on_reply(*two).waiting, "two");
  EXPECT_EQ(table.on_reply(*two).kind, Kind::late) << "a second reply";
  EXPECT_EQ(table.next_deadline(), at(5s));
  EXPECT_EQ(table.on_reply(*one).waiting, "one");
  EXPECT_EQ(table.next_deadline(), never);
}

TEST(RequestTable, recognizes_replies_to_foreign_requests) {
  Table table(requester, 10);
  const auto one = table.add(at(5s), "one");
  ASSERT_TRUE(one);
  EXPECT_EQ(table.on_reply(std::nullopt).kind, Kind::foreign);
  EXPECT_EQ(table.on_reply(CorrelationId{requester + 1, one->number}).kind, Kind::foreign);
  EXPECT_EQ(table.on_reply(CorrelationId{requester, one->number + 1}).kind, Kind::foreign)
      << "a number that it never gave";
  EXPECT_EQ(table.on_reply(CorrelationId{requester, 0}).kind, Kind::foreign);
  EXPECT_EQ(table.size(), 1u);
}

TEST(RequestTable, ends_requests_at_their_deadline_the_earliest_first) {
  Table table(requester, 10);
  const auto late = table.add(at(5s), "late");
  ASSERT_TRUE(late && table.add(at(2s), "early") && table.add(at(9s), "waits"));
  EXPECT_THAT(table.take_expired(at(1s)), IsEmpty());
  EXPECT_THAT(table.take_expired(at(5s)), ElementsAre("early", "late"));
  EXPECT_EQ(table.on_reply(*late).kind, Kind::late);
  EXPECT_THAT(table.take_all(), ElementsAre("waits"));
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.next_deadline(), never);
}

TEST(RequestTable, refuses_requests_above_its_limit_and_names_the_option) {
  Table table(requester, 2);
  const auto one = table.add(at(1s), "one");
  ASSERT_TRUE(one && table.add(at(1s), "two"));
  const auto refused = table.add(at(1s), "three");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::limit_reached));
  EXPECT_EQ(refused.error().message(),
            "2 requests wait for their replies; max_requests allows no more");
  EXPECT_EQ(table.take(*one), "one");
  EXPECT_EQ(table.take(*one), std::nullopt);
  EXPECT_TRUE(table.add(at(1s), "three"));
}

/// The table against a plain list of all requests that ever were.
class Model {
 public:
  explicit Model(Random& random) : random_(random), table_(requester, most) {}

  void step() {
    switch (random_.below(6)) {
      case 0:
      case 1:
        return add();
      case 2:
        return reply();
      case 3:
        return take();
      case 4:
        return foreign();
      default:
        return pass_time();
    }
  }
  void check() {
    std::size_t waiting = 0;
    TimePoint next = never;
    for (const auto& [number, one] : all_) {
      if (!one.waits) continue;
      ++waiting;
      next = std::min(next, one.deadline);
    }
    ASSERT_EQ(table_.size(), waiting);
    ASSERT_EQ(table_.next_deadline(), next);
  }

 private:
  static constexpr std::size_t most = 8;
  struct One {
    TimePoint deadline;
    bool waits = true;
  };

  std::size_t waiting() const {
    std::size_t count = 0;
    for (const auto& [number, one] : all_) count += one.waits ? 1 : 0;
    return count;
  }
  static std::string name(std::uint64_t number) { return "request " + std::to_string(number); }
  std::uint64_t some_number() { return 1 + random_.below(all_.size() + 1); }

  void add() {
    const TimePoint deadline = now_ + std::chrono::milliseconds(random_.below(50));
    const bool fits = waiting() < most;
    const auto id = table_.add(deadline, name(all_.size() + 1));
    ASSERT_EQ(id.has_value(), fits);
    if (!fits) return;
    ASSERT_EQ(*id, (CorrelationId{requester, all_.size() + 1}));
    all_[id->number] = {deadline};
  }
  void reply() {
    const std::uint64_t number = some_number();
    const auto found = table_.on_reply(CorrelationId{requester, number});
    if (!all_.contains(number)) {
      ASSERT_EQ(found.kind, Kind::foreign);
    } else if (!all_[number].waits) {
      ASSERT_EQ(found.kind, Kind::late);
    } else {
      ASSERT_EQ(found.kind, Kind::expected);
      ASSERT_EQ(found.waiting, name(number));
      all_[number].waits = false;
    }
  }
  void take() {
    const std::uint64_t number = some_number();
    const bool waits = all_.contains(number) && all_[number].waits;
    ASSERT_EQ(table_.take({requester, number}).has_value(), waits);
    if (waits) all_[number].waits = false;
  }
  void foreign() {
    ASSERT_EQ(table_.on_reply(CorrelationId{requester + 1 + random_.below(5), some_number()}).kind,
              Kind::foreign);
  }
  void pass_time() {
    now_ += std::chrono::milliseconds(random_.below(30));
    std::multimap<TimePoint, std::string> expected;
    for (auto& [number, one] : all_) {
      if (!one.waits || one.deadline > now_) continue;
      one.waits = false;
      expected.emplace(one.deadline, name(number));
    }
    std::vector<std::string> names;
    for (const auto& [deadline, each] : expected) names.push_back(each);
    ASSERT_EQ(table_.take_expired(now_), names);
  }

  Random& random_;
  Table table_;
  TimePoint now_{1s};
  std::map<std::uint64_t, One> all_;
};

TEST(RequestTable, agrees_with_a_plain_list_in_random_events) {
  test::play_seeds(500, [](Random& random) {
    Model model(random);
    for (int i = 0; i < 200 && !testing::Test::HasFatalFailure(); ++i) {
      model.step();
      model.check();
    }
  });
}

}  // namespace
}  // namespace dohle::messaging
