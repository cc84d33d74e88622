// Random answers, losses, polls and waits for a group member, against the news that its caller got.
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "../../random_events.hpp"
#include "base/broker_errors.hpp"
#include "client/group/group_member.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using namespace group_action;
using State = GroupMember::State;

class World {
 public:
  World(Random& random, bool is_static)
      : random_(random), member_(options(is_static), random_of_member_) {}

  void step() {
    switch (below(10)) {
      case 0:
        if (below(4) == 0) subscribe();
        break;
      case 1:
        if (below(6) == 0) unsubscribe();
        break;
      case 2:
      case 3:
        poll();
        break;
      case 4:
        now_ += std::chrono::milliseconds(below(below(20) == 0 ? 600'000 : 4'000));
        member_.on_time(now_, actions_);
        break;
      case 5:
        if (below(3) == 0) member_.rejoin("partitions came", now_, actions_);
        if (below(3) == 0) member_.need_coordinator(now_, actions_);
        if (below(3) == 0) member_.doubt_coordinator(below(2) == 0, now_, actions_);
        break;
      case 6:
        if (below(3) == 0) {
          member_.on_offsets_error(member_.coordinator(), member_.generation(), some_error(), now_,
                                   actions_);
        }
        break;
      default:
        answer();
    }
    heed();
  }
  /// The server works and the caller polls, so the member becomes stable or has left.
  void settle() {
    is_well_ = true;
    member_.doubt_coordinator(false, now_, actions_);
    heed();
    if (!wants_ && !is_fenced_) subscribe();
    for (int turn = 0; turn < 300 && !is_settled(); ++turn) {
      while (!questions_.empty()) answer();
      heed();
      poll();
      heed();
      now_ += 500ms;
      member_.on_time(now_, actions_);
      heed();
    }
    EXPECT_TRUE(is_settled()) << "state " << static_cast<int>(member_.state());
    EXPECT_EQ(lefts_wanted_, 0) << "an unsubscribe that never ended";
  }

 private:
  static GroupMember::Options options(bool is_static) {
    GroupMember::Options options{.group_id = "g"};
    if (is_static) options.group_instance_id = "i";
    return options;
  }
  [[nodiscard]] bool is_settled() const {
    return is_fenced_ || (member_.state() == State::stable && !is_holding_);
  }
  std::uint64_t below(std::uint64_t limit) { return random_.below(limit); }
  Error some_error() {
    using namespace broker_error;
    constexpr std::int16_t codes[] = {rebalance_in_progress,      unknown_member_id,
                                      illegal_generation,         not_coordinator,
                                      coordinator_not_available,  coordinator_load_in_progress,
                                      group_authorization_failed, unknown_server_error};
    if (below(40) == 0) return Error::broker(fenced_instance_id);
    if (below(4) == 0) return Error::client(Errc::connection_lost, "gone");
    return Error::broker(codes[below(std::size(codes))]);
  }
  void subscribe() {
    wants_ = true;
    member_.subscribe({"t"}, now_, actions_);
  }
  void unsubscribe() {
    if (member_.state() == State::leaving || lefts_wanted_ > 0) return;
    wants_ = false;
    ++lefts_wanted_;
    member_.unsubscribe(now_, actions_);
  }
  /// Inside the poll the caller takes the news and gives up revoked partitions.
  void poll() {
    member_.polled(now_, now_, actions_);
    heed();
    if (!std::exchange(is_holding_, false)) return;
    owned_.clear();
    member_.on_released(now_, actions_);
  }

  void heed() {
    member_.check_invariants();
    while (!actions_.empty()) {
      const GroupActions actions = std::exchange(actions_, {});
      for (const GroupAction& action : actions) std::visit([&](const auto& a) { on(a); }, action);
    }
    if (!is_holding_) {
      EXPECT_EQ(member_.assignment(), owned_);
    }
    EXPECT_EQ(is_holding_, member_.state() == State::releasing || (is_fenced_ && is_holding_));
  }
  template <class Question>
  void on(const Question& question) {
    EXPECT_GT(question.ticket, last_ticket_) << "a ticket is used again";
    last_ticket_ = question.ticket;
    if constexpr (std::is_same_v<Question, Join>) {
      EXPECT_TRUE(owned_.empty()) << "it joins with partitions that are still the user's";
      EXPECT_FALSE(is_holding_);
    }
    if constexpr (std::is_same_v<Question, Heartbeat> || std::is_same_v<Question, Sync>) {
      EXPECT_FALSE(question.message.member_id.empty());
      EXPECT_FALSE(question.message.generation_id.is_none());
    }
    questions_.emplace_back(question);
  }
  void on(const Assigned& news) {
    EXPECT_TRUE(owned_.empty()) << "partitions are assigned beside those that it has";
    EXPECT_TRUE(wants_) << "partitions are assigned to who unsubscribed";
    owned_ = news.partitions;
  }
  void on(const Revoke& news) {
    EXPECT_EQ(news.partitions, owned_);
    EXPECT_FALSE(is_holding_) << "revoked twice";
    is_holding_ = true;
    is_lost_ = false;
  }
  void on(const Lose& news) {
    EXPECT_EQ(news.partitions, owned_);
    EXPECT_FALSE(is_holding_ && is_lost_) << "lost twice";
    is_holding_ = is_lost_ = true;
  }
  void on(const Failed&) { is_fenced_ = member_.state() == State::fenced; }
  void on(const Left&) {
    EXPECT_EQ(lefts_wanted_, 1) << "it left unasked";
    --lefts_wanted_;
  }
  void on(const Refused&) {}
  void on(const TakeBack& action) { EXPECT_FALSE(action.coordinator.is_none()); }

  void answer() {
    if (questions_.empty()) return;
    const auto at = static_cast<std::ptrdiff_t>(below(questions_.size()));
    const GroupAction question = std::move(questions_[static_cast<std::size_t>(at)]);
    questions_.erase(questions_.begin() + at);
    const bool is_well = is_well_ || below(4) != 0;
    std::visit([&](const auto& q) { reply(q, is_well); }, question);
  }
  wire::FindCoordinatorResponse any_coordinator() {
    wire::FindCoordinatorResponse answer;
    auto& found = answer.coordinators.emplace_back();
    found.key = "g";
    found.node_id = NodeId{1 + static_cast<std::int32_t>(below(2))};
    return answer;
  }
  void reply(const FindCoordinator& question, bool is_well) {
    const auto answer = any_coordinator();
    if (is_well) return member_.on_coordinator(question.ticket, answer, now_, actions_);
    member_.on_coordinator(question.ticket, fail(some_error()), now_, actions_);
  }
  void reply(const Probe& question, bool is_well) {
    const auto answer = any_coordinator();
    if (is_well) return member_.on_probed(question.ticket, answer, now_, actions_);
    member_.on_probed(question.ticket, fail(some_error()), now_, actions_);
  }
  void reply(const Join& question, bool is_well) {
    if (!is_well && below(3) != 0) {
      return member_.on_joined(question.ticket, fail(some_error()), now_, actions_);
    }
    wire::JoinGroupResponse answer;
    answer.member_id = question.message.member_id.empty() ? "m" : question.message.member_id;
    if (question.message.member_id.empty() && below(2) == 0) {
      answer.error_code = broker_error::member_id_required;
    }
    answer.generation_id = Generation{++generation_};
    answer.protocol_type = "consumer";
    answer.protocol_name = "range";
    answer.leader = below(2) == 0 ? answer.member_id : "other";
    answer.members.push_back(
        {answer.member_id, std::nullopt, encode_subscription({"t"}, {}, Generation{}).value()});
    // A server that violates the protocol.
    if (!is_well && below(2) == 0) answer.generation_id = Generation{};
    if (!is_well && below(2) == 0) answer.member_id.clear();
    member_.on_joined(question.ticket, answer, now_, actions_);
  }
  void reply(const MakeAssignments& question, bool is_well) {
    if (!is_well)
      return member_.on_assignments(question.ticket, fail(some_error()), now_, actions_);
    member_.on_assignments(question.ticket, std::vector<MemberAssignment>{{"m", {}}}, now_,
                           actions_);
  }
  void reply(const Sync& question, bool is_well) {
    if (!is_well) return member_.on_synced(question.ticket, fail(some_error()), now_, actions_);
    wire::SyncGroupResponse answer;
    std::vector<TopicPartition> partitions;
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(below(3)); ++i) {
      partitions.push_back({"t", PartitionId{i}});
    }
    answer.assignment = encode_assignment(partitions).value();
    member_.on_synced(question.ticket, answer, now_, actions_);
  }
  void reply(const Heartbeat& question, bool is_well) {
    if (!is_well) return member_.on_heartbeat(question.ticket, fail(some_error()), now_, actions_);
    member_.on_heartbeat(question.ticket, wire::HeartbeatResponse{}, now_, actions_);
  }
  void reply(const Leave& question, bool is_well) {
    if (!is_well) return member_.on_left(question.ticket, fail(some_error()), now_, actions_);
    member_.on_left(question.ticket, wire::LeaveGroupResponse{}, now_, actions_);
  }
  template <class News>
  void reply(const News&, bool) {}

  Random& random_;
  SeededRandom random_of_member_{1};
  GroupMember member_;
  TimePoint now_{1h};
  GroupActions actions_;
  std::vector<GroupAction> questions_;
  GroupTicket last_ticket_ = 0;
  std::int32_t generation_ = 0;
  /// The caller's partitions, by the news so far.
  std::vector<TopicPartition> owned_;
  /// The caller knows that its partitions are revoked and has not given them up yet.
  bool is_holding_ = false;
  bool is_lost_ = false;
  bool wants_ = false;
  bool is_fenced_ = false;
  bool is_well_ = false;
  int lefts_wanted_ = 0;
};

void play(Random& random, bool is_static) {
  World world(random, is_static);
  for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) world.step();
  if (!testing::Test::HasFailure()) world.settle();
}

TEST(RandomEventsOfAGroupMember, BreakNoPromiseToTheCallerAndEndInAStableMember) {
  test::play_seeds(1'000, [](Random& random) { play(random, false); });
}

TEST(RandomEventsOfAGroupMember, BreakNoPromiseOfAStaticMember) {
  test::play_seeds(500, [](Random& random) { play(random, true); });
}

}  // namespace
}  // namespace dohle::client
