#include "node/serve/node_parts.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace dohle::node {
namespace {

/// Places of parts. Only their addresses are used.
struct alignas(std::max_align_t) Place {
  std::byte byte{};
};

class NodePartsTest : public testing::Test {
 protected:
  /// The place at which `all` has the part.
  template <class Part>
  Part& at(std::size_t place) {
    return reinterpret_cast<Part&>(places_.at(place));
  }

 private:
  std::array<Place, 15> places_;

 protected:
  const NodeParts all{NodeParts::All{.settings = at<NodeSettings>(0),
                                     .authorizer = at<Authorizer>(1),
                                     .loop = at<Executor>(2),
                                     .disk = at<Disk>(3),
                                     .lines = at<Lines>(4),
                                     .sessions = at<Sessions>(5),
                                     .dispatcher = at<Dispatcher>(6),
                                     .storage = at<Storage>(7),
                                     .users = at<Users>(8),
                                     .groups = at<GroupService>(9),
                                     .batch_checks = at<BatchChecks>(10),
                                     .time_searches = at<TimeSearches>(11),
                                     .fetch_waits = at<FetchWaits>(12),
                                     .fetch_sessions = at<FetchSessions>(13),
                                     .faults = &at<RequestFaults>(14)}};
};

template <class Part>
using Given = decltype(std::declval<const Parts<Part>&>().template get<Part>());

static_assert(std::is_same_v<Given<Storage>, Storage&>);
static_assert(std::is_same_v<Given<NodeSettings>, const NodeSettings&>);
static_assert(std::is_same_v<Given<Authorizer>, const Authorizer&>);
static_assert(std::is_same_v<Given<Sessions>, const Sessions&>);
static_assert(std::is_same_v<Given<RequestFaults>, RequestFaults*>);

TEST_F(NodePartsTest, GiveEachNamedPart) {
  const Parts<Storage, NodeSettings, Dispatcher> node = all;
  EXPECT_EQ(&node.get<Storage>(), &at<Storage>(7));
  EXPECT_EQ(&node.get<NodeSettings>(), &at<NodeSettings>(0));
  EXPECT_EQ(&node.get<Dispatcher>(), &at<Dispatcher>(6));
}

TEST_F(NodePartsTest, GiveEveryPartOfTheNodeIfAllAreNamed) {
  const Parts<NodeSettings, Authorizer, Executor, Disk, Lines, Sessions, Dispatcher, Storage, Users,
              GroupService, BatchChecks, TimeSearches, FetchWaits, FetchSessions, RequestFaults>
      node = all;
  EXPECT_EQ(&node.get<Authorizer>(), &at<Authorizer>(1));
  EXPECT_EQ(&node.get<Executor>(), &at<Executor>(2));
  EXPECT_EQ(&node.get<Disk>(), &at<Disk>(3));
  EXPECT_EQ(&node.get<Lines>(), &at<Lines>(4));
  EXPECT_EQ(&node.get<Sessions>(), &at<Sessions>(5));
  EXPECT_EQ(&node.get<Users>(), &at<Users>(8));
  EXPECT_EQ(&node.get<GroupService>(), &at<GroupService>(9));
  EXPECT_EQ(&node.get<BatchChecks>(), &at<BatchChecks>(10));
  EXPECT_EQ(&node.get<TimeSearches>(), &at<TimeSearches>(11));
  EXPECT_EQ(&node.get<FetchWaits>(), &at<FetchWaits>(12));
  EXPECT_EQ(&node.get<FetchSessions>(), &at<FetchSessions>(13));
  EXPECT_EQ(node.get<RequestFaults>(), &at<RequestFaults>(14));
}

TEST_F(NodePartsTest, RemainWhenTheirSourceIsGone) {
  const auto copied = [this] {
    const NodeParts copy = all;
    const Parts<Users> node = copy;
    return node;
  }();
  EXPECT_EQ(&copied.get<Users>(), &at<Users>(8));
}

}  // namespace
}  // namespace dohle::node
