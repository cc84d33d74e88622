#include "client/group/group_member.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/broker_errors.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using namespace group_action;
namespace code = broker_error;
using State = GroupMember::State;

constexpr NodeId coordinator{7};

std::vector<TopicPartition> two_partitions() {
  return {{"t", PartitionId{0}}, {"t", PartitionId{1}}};
}

/// A coordinator with given answers.
class GroupMemberTest : public testing::Test {
 protected:
  static GroupMember::Options options() { return {.group_id = "g"}; }

  /// The next action. Throws, which fails the test, if it has another type.
  template <class A>
  A take() {
    if (actions_.empty() || !std::holds_alternative<A>(actions_.front())) {
      throw std::logic_error(
          "another action comes next: " +
          (actions_.empty() ? "none" : std::to_string(actions_.front().index())));
    }
    A action = std::get<A>(std::move(actions_.front()));
    actions_.erase(actions_.begin());
    return action;
  }
  void expect_nothing() { EXPECT_TRUE(actions_.empty()) << actions_.front().index(); }
  void pass(Duration time) {
    now_ += time;
    member_.on_time(now_, actions_);
  }

  void find() {
    wire::FindCoordinatorResponse answer;
    auto& found = answer.coordinators.emplace_back();
    found.key = "g";
    found.node_id = coordinator;
    member_.on_coordinator(take<FindCoordinator>().ticket, answer, now_, actions_);
  }
  void refuse_find(std::int16_t error) {
    wire::FindCoordinatorResponse answer;
    answer.error_code = error;
    member_.on_coordinator(take<FindCoordinator>().ticket, answer, now_, actions_);
  }
  void refuse_join(std::int16_t error, std::string member = {}) {
    wire::JoinGroupResponse answer;
    answer.error_code = error;
    answer.member_id = std::move(member);
    member_.on_joined(take<Join>().ticket, answer, now_, actions_);
  }
  void accept_join(std::string leader = "other") {
    wire::JoinGroupResponse answer;
    answer.generation_id = Generation{5};
    answer.protocol_type = "consumer";
    answer.protocol_name = "range";
    answer.leader = leader;
    answer.member_id = "m";
    answer.members.push_back({"m", std::nullopt, encode_subscription({"t"}, {}, {}).value()});
    member_.on_joined(take<Join>().ticket, answer, now_, actions_);
  }
  void refuse_sync(std::int16_t error) {
    wire::SyncGroupResponse answer;
    answer.error_code = error;
    member_.on_synced(take<Sync>().ticket, answer, now_, actions_);
  }
  void accept_sync() {
    wire::SyncGroupResponse answer;
    answer.assignment = encode_assignment(two_partitions()).value();
    member_.on_synced(take<Sync>().ticket, answer, now_, actions_);
  }
  void answer_heartbeat(std::int16_t error) {
    wire::HeartbeatResponse answer;
    answer.error_code = error;
    member_.on_heartbeat(take<Heartbeat>().ticket, answer, now_, actions_);
  }
  void beat(std::int16_t error) {
    pass(3s);
    answer_heartbeat(error);
  }
  void poll() { member_.polled(now_, now_, actions_); }
  void release() { member_.on_released(now_, actions_); }

  void start_joining() {
    member_.subscribe({"t"}, now_, actions_);
    expect_nothing();
    poll();
    find();
  }
  void become_stable() {
    start_joining();
    refuse_join(code::member_id_required, "m");
    accept_join();
    accept_sync();
    EXPECT_EQ(take<Assigned>().partitions, two_partitions());
    EXPECT_EQ(member_.state(), State::stable);
  }
  /// Gives up revoked or lost partitions, and the member joins again.
  template <class News>
  Join expect_rejoin_after() {
    EXPECT_EQ(take<News>().partitions, two_partitions());
    expect_nothing();
    EXPECT_TRUE(member_.awaits_poll());
    release();
    EXPECT_TRUE(member_.assignment().empty());
    return take<Join>();
  }

  TimePoint now_{1h};
  GroupActions actions_;
  SeededRandom random_{1};
  GroupMember member_{options(), random_};
};

TEST_F(GroupMemberTest, JoinsAtTheFirstPollWithTheIdFromTheServer) {
  start_joining();
  const Join first = std::get<Join>(actions_.at(0));
  EXPECT_EQ(first.message.member_id, "");
  EXPECT_EQ(first.message.protocols.at(0).name, "range");
  EXPECT_EQ(first.message.rebalance_timeout_ms, 300'000);
  EXPECT_EQ(first.timeout, Duration(305s));
  refuse_join(code::member_id_required, "m");
  EXPECT_EQ(std::get<Join>(actions_.at(0)).message.member_id, "m");
  accept_join();
  accept_sync();
  EXPECT_EQ(member_.generation(), Generation{5});
  EXPECT_EQ(member_.member_id(), "m");
  EXPECT_EQ(member_.assignment(), two_partitions());
}

TEST_F(GroupMemberTest, LeadsWithTheGivenAssignments) {
  start_joining();
  accept_join("m");
  EXPECT_TRUE(member_.is_leader());
  const auto ask = take<MakeAssignments>();
  EXPECT_EQ(ask.members.at(0).topics, std::vector<std::string>{"t"});
  member_.on_assignments(ask.ticket, assign_range(ask.members, {{"t", 2}}), now_, actions_);
  const auto& sync = std::get<Sync>(actions_.at(0)).message;
  EXPECT_EQ(decode_assignment(sync.assignments.at(0).assignment).value(), two_partitions());
  accept_sync();
  take<Assigned>();
}

TEST_F(GroupMemberTest, SendsHeartbeatsOneAtATime) {
  become_stable();
  EXPECT_EQ(member_.deadline(), now_ + 3s);
  pass(3s);
  const auto beat = take<Heartbeat>();
  EXPECT_EQ(beat.message.generation_id, Generation{5});
  pass(3s);
  expect_nothing();
}

TEST_F(GroupMemberTest, RevokesInsideAPollBeforeItRejoins) {
  become_stable();
  beat(code::rebalance_in_progress);
  EXPECT_EQ(member_.generation(), Generation{5});
  EXPECT_EQ(expect_rejoin_after<Revoke>().message.member_id, "m");
}

TEST_F(GroupMemberTest, KeepsSendingHeartbeatsWhileTheCallerGivesUpPartitions) {
  become_stable();
  beat(code::rebalance_in_progress);
  take<Revoke>();
  beat(code::rebalance_in_progress);
  expect_nothing();
}

TEST_F(GroupMemberTest, LosesPartitionsOnAnOldGenerationAndKeepsItsId) {
  become_stable();
  beat(code::illegal_generation);
  EXPECT_TRUE(member_.generation().is_none());
  EXPECT_EQ(expect_rejoin_after<Lose>().message.member_id, "m");
}

TEST_F(GroupMemberTest, LosesPartitionsAndIdWhenTheServerDoesNotKnowIt) {
  become_stable();
  beat(code::unknown_member_id);
  EXPECT_EQ(expect_rejoin_after<Lose>().message.member_id, "");
}

TEST_F(GroupMemberTest, ReportsALossDuringARevocation) {
  become_stable();
  beat(code::rebalance_in_progress);
  take<Revoke>();
  beat(code::unknown_member_id);
  EXPECT_EQ(expect_rejoin_after<Lose>().message.member_id, "");
}

TEST_F(GroupMemberTest, StaysFenced) {
  become_stable();
  beat(code::fenced_instance_id);
  EXPECT_EQ(take<Lose>().partitions, two_partitions());
  EXPECT_TRUE(take<Failed>().why.is_fatal());
  release();
  poll();
  pass(1h);
  expect_nothing();
  EXPECT_EQ(member_.deadline(), never);
  member_.unsubscribe(now_, actions_);
  take<Left>();
}

TEST_F(GroupMemberTest, ReportsOnlySomeOfManyRefusals) {
  start_joining();
  std::vector<int> told;
  const auto refuse = [&](int times) {
    for (int i = 1; i <= times; ++i) {
      refuse_join(code::coordinator_not_available);
      if (std::holds_alternative<Refused>(actions_.at(0))) {
        const auto refused = take<Refused>();
        EXPECT_TRUE(refused.why.is_broker(code::coordinator_not_available));
        EXPECT_EQ(refused.times, static_cast<unsigned>(i));
        told.push_back(i);
      }
      find();
      pass(2s);
      std::erase_if(actions_,
                    [](const auto& each) { return std::holds_alternative<Heartbeat>(each); });
    }
  };
  refuse(125);
  EXPECT_EQ(told, (std::vector<int>{5, 60, 120}));
  accept_join();
  accept_sync();
  take<Assigned>();
  beat(code::rebalance_in_progress);
  take<Revoke>();
  release();
  told.clear();
  refuse(5);
  EXPECT_EQ(told, std::vector<int>{5});
}

TEST_F(GroupMemberTest, LooksForTheCoordinatorAgainWhenItMoved) {
  for (const auto error : {code::coordinator_not_available, code::not_coordinator}) {
    member_ = GroupMember{options(), random_};
    become_stable();
    beat(error);
    EXPECT_EQ(member_.state(), State::stable);
    EXPECT_TRUE(member_.coordinator().is_none());
    find();
    pass(member_.deadline() - now_);
    answer_heartbeat(code::none);
    expect_nothing();
  }
}

TEST_F(GroupMemberTest, LooksAgainAfterAWaitWhileThereIsNoCoordinator) {
  member_.subscribe({"t"}, now_, actions_);
  poll();
  refuse_find(code::coordinator_not_available);
  expect_nothing();
  EXPECT_GT(member_.deadline(), now_);
  pass(member_.deadline() - now_);
  refuse_find(code::coordinator_load_in_progress);
  expect_nothing();
  pass(member_.deadline() - now_);
  find();
  take<Join>();
}

TEST_F(GroupMemberTest, LooksForItsCoordinatorSoonAfterAServerIsReached) {
  const auto lost = [this] {
    member_.on_coordinator(take<FindCoordinator>().ticket,
                           fail(Error::client(Errc::connection_lost, "it is down")), now_,
                           actions_);
  };
  member_.subscribe({"t"}, now_, actions_);
  poll();
  for (int i = 0; i < 6; ++i) {
    lost();
    pass(member_.deadline() - now_);
  }
  lost();
  EXPECT_GT(member_.deadline() - now_, 700ms);
  pass(50ms);
  member_.on_reached(now_, actions_);
  expect_nothing();
  pass(50ms);
  lost();
  pass(200ms);
  member_.on_reached(now_, actions_);
  find();
  take<Join>();
}

// A frozen server does not answer, and nothing shows that it is frozen.
TEST_F(GroupMemberTest, AsksAnotherServerForTheCoordinatorWhenOneIsSlow) {
  member_.subscribe({"t"}, now_, actions_);
  poll();
  const auto first = take<FindCoordinator>();
  pass(4s);
  expect_nothing();
  pass(1s);
  const auto second = take<FindCoordinator>();
  EXPECT_NE(first.ticket, second.ticket);
  wire::FindCoordinatorResponse late;
  late.error_code = code::coordinator_not_available;
  member_.on_coordinator(first.ticket, late, now_, actions_);
  expect_nothing();
}

TEST_F(GroupMemberTest, JoinsAgainAfterAWaitWhileTheCoordinatorLoads) {
  start_joining();
  refuse_join(code::coordinator_load_in_progress);
  expect_nothing();
  pass(member_.deadline() - now_);
  take<Join>();
}

TEST_F(GroupMemberTest, JoinsTheCoordinatorThatTookOver) {
  start_joining();
  refuse_join(code::not_coordinator);
  find();
  expect_nothing();
  pass(member_.deadline() - now_);
  EXPECT_EQ(take<Join>().coordinator, coordinator);
}

TEST_F(GroupMemberTest, ReportsAnErrorThatIsNotRetriableAndTriesAgainAtTheNextPoll) {
  for (const auto error : {code::group_max_size_reached, code::invalid_session_timeout,
                           code::inconsistent_group_protocol, code::group_authorization_failed,
                           code::invalid_group_id}) {
    member_ = GroupMember{options(), random_};
    start_joining();
    refuse_join(error);
    const Error why = take<Failed>().why;
    EXPECT_TRUE(why.is_broker(error)) << why.message();
    EXPECT_FALSE(why.is_fatal());
    pass(10s);
    expect_nothing();
    poll();
    take<Join>();
  }
}

TEST_F(GroupMemberTest, ReportsThatItMayNotLookUpTheCoordinator) {
  member_.subscribe({"t"}, now_, actions_);
  poll();
  refuse_find(code::group_authorization_failed);
  EXPECT_TRUE(take<Failed>().why.is_broker(code::group_authorization_failed));
  pass(10s);
  expect_nothing();
}

TEST_F(GroupMemberTest, StartsOverWhenTheRebalanceMovesOnDuringSync) {
  for (const auto error : {code::rebalance_in_progress, code::illegal_generation}) {
    member_ = GroupMember{options(), random_};
    start_joining();
    accept_join();
    refuse_sync(error);
    EXPECT_EQ(take<Join>().message.member_id, "m");
  }
  member_ = GroupMember{options(), random_};
  start_joining();
  accept_join();
  refuse_sync(code::unknown_member_id);
  EXPECT_EQ(take<Join>().message.member_id, "");
}

// Without a backoff each of these answers would be requested again without end.
TEST_F(GroupMemberTest, WaitsLongerBeforeEachJoinWhileItsMembershipEndsAtOnce) {
  const auto joins = [&](auto refuse) {
    std::vector<Duration> waits;
    std::size_t lines = 0;
    for (int i = 0; i < 8; ++i) {
      refuse();
      lines += static_cast<std::size_t>(std::erase_if(
          actions_, [](const auto& each) { return std::holds_alternative<Refused>(each); }));
      const TimePoint refused_at = now_;
      for (int j = 0; j < 20 && actions_.empty(); ++j) pass(member_.deadline() - now_);
      waits.push_back(now_ - refused_at);
    }
    EXPECT_EQ(waits[0], Duration::zero());
    EXPECT_GE(waits[1], 80ms);
    EXPECT_GE(waits[3], 300ms);
    EXPECT_GE(waits[7], 800ms);
    EXPECT_LE(waits[7], 1'200ms);
    EXPECT_EQ(lines, 1U);
  };
  for (const auto error :
       {code::illegal_generation, code::unknown_member_id, code::rebalance_in_progress}) {
    member_ = GroupMember{options(), random_};
    start_joining();
    joins([&] {
      accept_join();
      refuse_sync(error);
    });
    actions_.clear();
    // The answer to the fetch of committed offsets, once it is stable.
    member_ = GroupMember{options(), random_};
    start_joining();
    joins([&] {
      accept_join();
      accept_sync();
      take<Assigned>();
      member_.on_offsets_error(coordinator, Generation{5}, Error::broker(error), now_, actions_);
      std::erase_if(actions_, [](const auto& each) {
        return std::holds_alternative<Lose>(each) || std::holds_alternative<Revoke>(each);
      });
      release();
    });
    actions_.clear();
  }
  member_ = GroupMember{options(), random_};
  start_joining();
  int ids = 0;
  joins([&] { refuse_join(code::member_id_required, "m" + std::to_string(++ids)); });
}

TEST_F(GroupMemberTest, JoinsAtOnceAgainOnceAHeartbeatWasAnswered) {
  start_joining();
  for (int i = 0; i < 5; ++i) {
    accept_join();
    refuse_sync(code::rebalance_in_progress);
    std::erase_if(actions_, [](const auto& each) { return std::holds_alternative<Refused>(each); });
    if (actions_.empty()) pass(member_.deadline() - now_);
    if (std::holds_alternative<Heartbeat>(actions_.at(0))) answer_heartbeat(code::none);
    if (actions_.empty()) pass(member_.deadline() - now_);
  }
  accept_join();
  accept_sync();
  take<Assigned>();
  beat(code::none);
  member_.on_offsets_error(coordinator, Generation{5}, Error::broker(code::illegal_generation),
                           now_, actions_);
  take<Lose>();
  release();
  take<Join>();
}

TEST_F(GroupMemberTest, AsksLessOftenWhileTheCoordinatorKeepsRefusingHeartbeats) {
  become_stable();
  std::vector<Duration> waits;
  for (int i = 0; i < 6; ++i) {
    const TimePoint before = now_;
    pass(member_.deadline() - now_);
    waits.push_back(now_ - before);
    answer_heartbeat(code::coordinator_load_in_progress);
  }
  EXPECT_GE(waits[4], 600ms);
  EXPECT_LE(waits[1], 130ms);
}

TEST_F(GroupMemberTest, JoinsAgainWhenTheConnectionIsLost) {
  start_joining();
  const Error lost = Error::client(Errc::connection_lost, "gone");
  member_.on_joined(take<Join>().ticket, fail(lost), now_, actions_);
  find();
  pass(member_.deadline() - now_);
  accept_join();
  member_.on_synced(take<Sync>().ticket, fail(lost), now_, actions_);
  find();
  pass(member_.deadline() - now_);
  EXPECT_EQ(take<Join>().message.member_id, "m");
}

TEST_F(GroupMemberTest, DoubtsTheCoordinatorAfterASessionWithoutAnswers) {
  become_stable();
  pass(3s);
  const auto unanswered = take<Heartbeat>();
  pass(42s);
  EXPECT_TRUE(member_.coordinator().is_none());
  find();
  answer_heartbeat(code::none);
  member_.on_heartbeat(unanswered.ticket, fail(Error::client(Errc::connection_lost, "late")), now_,
                       actions_);
  expect_nothing();
  EXPECT_EQ(member_.coordinator(), coordinator);
}

constexpr NodeId successor{8};

wire::FindCoordinatorResponse naming(NodeId node) {
  wire::FindCoordinatorResponse answer;
  auto& found = answer.coordinators.emplace_back();
  found.key = "g";
  found.node_id = node;
  return answer;
}

// A frozen coordinator: its connections stay open, and other servers name it until it is fenced.
TEST_F(GroupMemberTest, AsksOthersWhileTheCoordinatorIsInDoubtUntilTheyNameAnother) {
  become_stable();
  pass(3s);
  const auto unanswered = take<Heartbeat>();
  member_.doubt_coordinator(true, now_, actions_);
  for (int i = 0; i < 5; ++i) {
    member_.on_coordinator(take<FindCoordinator>().ticket, naming(coordinator), now_, actions_);
    expect_nothing();
    const Duration wait = member_.deadline() - now_;
    EXPECT_GE(wait, 80ms);
    EXPECT_LE(wait, 1'200ms);
    pass(wait);
  }
  member_.on_coordinator(take<FindCoordinator>().ticket, naming(successor), now_, actions_);
  EXPECT_EQ(take<TakeBack>().coordinator, coordinator);
  const auto beat = take<Heartbeat>();
  EXPECT_EQ(beat.coordinator, successor);
  EXPECT_EQ(beat.message.generation_id, Generation{5}) << "it is a member as before";
  member_.on_heartbeat(unanswered.ticket, fail(Error::client(Errc::connection_lost, "taken back")),
                       now_, actions_);
  expect_nothing();
  EXPECT_EQ(member_.coordinator(), successor);
  EXPECT_EQ(member_.state(), State::stable);
}

TEST_F(GroupMemberTest, StopsAskingOtherServersOnceTheCoordinatorIsBack) {
  become_stable();
  member_.doubt_coordinator(true, now_, actions_);
  expect_nothing();
  pass(1s);
  member_.on_coordinator(take<FindCoordinator>().ticket, naming(coordinator), now_, actions_);
  member_.doubt_coordinator(false, now_, actions_);
  pass(1500ms);
  expect_nothing();
}

TEST_F(GroupMemberTest, CancelsAJoinAtACoordinatorThatIsReplaced) {
  start_joining();
  const auto held_back = take<Join>();
  member_.doubt_coordinator(true, now_, actions_);
  pass(1s);
  member_.on_coordinator(take<FindCoordinator>().ticket, naming(successor), now_, actions_);
  EXPECT_EQ(take<TakeBack>().coordinator, coordinator);
  EXPECT_EQ(take<Join>().coordinator, successor);
  member_.on_joined(held_back.ticket, fail(Error::client(Errc::connection_lost, "taken back")),
                    now_, actions_);
  expect_nothing();
  EXPECT_EQ(member_.coordinator(), successor);
}

// The server may delay a join for max_poll_interval, and its connection may be half-open.
TEST_F(GroupMemberTest, ProbesTheCoordinatorWhileItHoldsAJoinBack) {
  start_joining();
  const auto join = take<Join>();
  for (int i = 0; i < 3; ++i) {
    pass(3s);
    const auto probe = take<Probe>();
    EXPECT_EQ(probe.coordinator, coordinator);
    member_.on_probed(probe.ticket, naming(coordinator), now_, actions_);
    expect_nothing();
  }
  pass(3s);
  const Error lost = Error::client(Errc::timed_out, "no answer").with_retriable(true);
  member_.on_probed(take<Probe>().ticket, fail(lost), now_, actions_);
  EXPECT_EQ(take<TakeBack>().coordinator, coordinator);
  find();
  pass(member_.deadline() - now_);
  EXPECT_NE(take<Join>().ticket, join.ticket);
}

TEST_F(GroupMemberTest, JoinsTheCoordinatorThatAProbeNames) {
  start_joining();
  take<Join>();
  pass(3s);
  member_.on_probed(take<Probe>().ticket, naming(successor), now_, actions_);
  EXPECT_EQ(take<TakeBack>().coordinator, coordinator);
  EXPECT_EQ(take<Join>().coordinator, successor);
}

TEST_F(GroupMemberTest, LeavesAfterMaxPollIntervalAndJoinsAgainAtTheNextPoll) {
  become_stable();
  member_.polled(now_, now_, actions_);
  now_ += 300s;
  member_.on_time(now_, actions_);
  EXPECT_EQ(take<Leave>().message.member_id, "m");
  take<Lose>();
  expect_nothing();
  pass(1h);
  expect_nothing();
  poll();
  expect_nothing();
  release();
  EXPECT_EQ(take<Join>().message.member_id, "");
}

TEST_F(GroupMemberTest, LeavesAfterTheCallerGaveUpItsPartitions) {
  become_stable();
  member_.unsubscribe(now_, actions_);
  take<Revoke>();
  expect_nothing();
  release();
  const auto leave = take<Leave>();
  EXPECT_EQ(leave.message.members.at(0).member_id, "m");
  expect_nothing();
  member_.on_left(leave.ticket, fail(Error::client(Errc::connection_lost, "gone")), now_, actions_);
  take<Left>();
  EXPECT_EQ(member_.state(), State::off);
}

TEST_F(GroupMemberTest, StaysAsAStaticMemberWhenItCloses) {
  GroupMember::Options named = options();
  named.group_instance_id = "i";
  member_ = GroupMember{named, random_};
  start_joining();
  EXPECT_EQ(std::get<Join>(actions_.at(0)).message.group_instance_id, "i");
  accept_join();
  accept_sync();
  take<Assigned>();
  member_.unsubscribe(now_, actions_);
  take<Revoke>();
  release();
  take<Left>();
  expect_nothing();
}

TEST_F(GroupMemberTest, IgnoresLateAnswers) {
  start_joining();
  const auto join = take<Join>();
  member_.unsubscribe(now_, actions_);
  take<Left>();
  member_.on_joined(join.ticket, wire::JoinGroupResponse{}, now_, actions_);
  expect_nothing();
  EXPECT_EQ(member_.state(), State::off);
}

TEST_F(GroupMemberTest, JoinsAgainForTopicsThatChangedWhileItJoined) {
  start_joining();
  member_.subscribe({"u"}, now_, actions_);
  EXPECT_EQ(actions_.size(), 1u);
  accept_join();
  accept_sync();
  const auto topics = subscribed_topics(take<Join>().message.protocols.at(0).metadata);
  EXPECT_EQ(topics.value(), std::vector<std::string>{"u"});
}

TEST_F(GroupMemberTest, JoinsAgainWhenPartitionsWereAdded) {
  become_stable();
  member_.rejoin("topic t has 3 partitions", now_, actions_);
  EXPECT_EQ(expect_rejoin_after<Revoke>().message.reason, "topic t has 3 partitions");
}

TEST_F(GroupMemberTest, ReactsToErrorsOfCommitsInItsGeneration) {
  become_stable();
  const auto answered = [this](std::int16_t error, Generation generation) {
    member_.on_offsets_error(coordinator, generation, Error::broker(error), now_, actions_);
  };
  answered(code::illegal_generation, Generation{4});
  answered(code::offset_metadata_too_large, Generation{5});
  expect_nothing();
  answered(code::not_coordinator, Generation{5});
  find();
  answered(code::illegal_generation, Generation{5});
  expect_rejoin_after<Lose>();
}

TEST_F(GroupMemberTest, FindsTheCoordinatorForCommitsWithoutASubscription) {
  member_.need_coordinator(now_, actions_);
  find();
  EXPECT_EQ(member_.coordinator(), coordinator);
  expect_nothing();
}

TEST_F(GroupMemberTest, RefusesAMembershipWithoutAGenerationOrAnId) {
  for (const bool has_id : {true, false}) {
    GroupMember member(options(), random_);
    GroupActions& out = actions_;
    out.clear();
    member.subscribe({"t"}, now_, out);
    member.polled(now_, now_, out);
    wire::FindCoordinatorResponse found;
    found.coordinators.emplace_back().key = "g";
    found.coordinators.back().node_id = coordinator;
    member.on_coordinator(take<FindCoordinator>().ticket, found, now_, out);
    wire::JoinGroupResponse answer;
    answer.protocol_type = "consumer";
    answer.protocol_name = "range";
    answer.leader = "other";
    if (has_id) answer.member_id = "m";
    if (!has_id) answer.generation_id = Generation{5};
    member.on_joined(take<Join>().ticket, answer, now_, out);
    EXPECT_TRUE(take<Failed>().why.is(Errc::malformed));
    EXPECT_EQ(member.state(), State::unjoined);
    member.check_invariants();
  }
}

TEST_F(GroupMemberTest, StaysFencedWhenTheCoordinatorIsRefusedToo) {
  become_stable();
  beat(code::fenced_instance_id);
  (void)take<Lose>();
  EXPECT_TRUE(take<Failed>().why.is_fatal());
  member_.on_offsets_error(coordinator, Generation{5}, Error::broker(code::not_coordinator), now_,
                           actions_);
  member_.need_coordinator(now_, actions_);
  refuse_find(code::group_authorization_failed);
  (void)take<Failed>();
  EXPECT_EQ(member_.state(), State::fenced);
  poll();
  expect_nothing();
}

}  // namespace
}  // namespace dohle::client
