#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "../random_events.hpp"
#include "base/broker_errors.hpp"
#include "node/group/group_coordinator.hpp"

// Random events against a simple model: waiting answers, committed offsets, and the state after a
// restart. random_events.hpp plays other seeds.

namespace dohle::node {
namespace {

using std::chrono::milliseconds;

class RandomEvents {
 public:
  explicit RandomEvents(std::uint64_t seed)
      : random_(seed), ids_(seed + 1), groups_(options(random_), ids_) {}

  void run(int events) {
    for (int i = 0; i < events && !testing::Test::HasFailure(); ++i) {
      happen();
      groups_.check_invariants();
      check_waiting();
      check_offsets();
    }
    finish_walks();
    check_restart();
    fall_silent();
  }

 private:
  using Key = std::pair<std::string, std::pair<std::string, std::int32_t>>;
  struct Client {
    std::string group;
    std::optional<std::string> instance;
    std::string id;
    Generation generation{-1};
    bool is_leader = false;
    std::vector<std::string> members;
  };
  struct Asked {
    std::size_t client;
    bool is_join;
  };
  struct Commit {
    Key key;
    CommittedOffset committed;
  };
  static GroupCoordinator::Options options(Random& random) {
    GroupCoordinator::Options chosen;
    if (random.below(2) == 0) chosen.group.initial_rebalance_delay = milliseconds(300);
    chosen.group.max_members = 5;
    chosen.offsets_retention = std::chrono::hours(1);
    return chosen;
  }
  [[nodiscard]] Now now() const { return {mono_, wall_}; }

  void happen() {
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
        return join();
      case 3:
      case 4:
      case 5:
        return sync();
      case 6:
        return heartbeat();
      case 7:
        return leave();
      case 8:
      case 9:
        return pass(milliseconds(random_.below(4'000)));
      case 10:
      case 11:
        return commit();
      case 12:
        return settle();
      case 13:
        return topics();
      case 14:
        return walk();
      default:
        return seldom();
    }
  }

  Client& any_client() {
    Client& client = clients_[random_.below(clients_.size())];
    if (client.group.empty()) {
      const std::size_t at = static_cast<std::size_t>(&client - clients_.data());
      client.group = at % 2 == 0 ? "even" : "odd";
      if (at >= 6) client.instance = "instance-" + std::to_string(at % 4);
    }
    return client;
  }
  ReplyTo ask(const Client& client, bool is_join) {
    waiting_[++last_reply_] = {static_cast<std::size_t>(&client - clients_.data()), is_join};
    return last_reply_;
  }

  void join() {
    Client& client = any_client();
    if (random_.below(8) == 0) client.id.clear();  // it has forgotten its id
    JoinRequest request;
    request.group_id = client.group;
    request.member_id = client.id;
    request.instance_id = client.instance;
    request.client_id = "client";
    request.protocol_type = "consumer";
    const char metadata = static_cast<char>('a' + random_.below(3));
    request.protocols.push_back({"range", Slice::copy_of(std::string(1, metadata))});
    if (random_.below(2) == 0) request.protocols.push_back({"sticky", Slice::copy_of("s")});
    request.session_timeout = milliseconds(1'000 + random_.below(9'000));
    request.rebalance_timeout = milliseconds(1'000 + random_.below(20'000));
    request.needs_known_member_id = random_.below(2) == 0;
    request.can_skip_assignment = random_.below(2) == 0;
    ClassicGroupActions actions;
    groups_.join(std::move(request), ask(client, true), now(), actions);
    perform(std::move(actions));
  }

  void sync() {
    Client& client = any_client();
    SyncRequest request;
    request.group_id = client.group;
    request.member_id = client.id;
    request.instance_id = client.instance;
    request.generation = client.generation;
    if (client.is_leader) {
      for (const std::string& id : client.members) {
        request.assignments.push_back({id, Slice::copy_of(id)});
      }
      sort(request.assignments);
    }
    ClassicGroupActions actions;
    groups_.sync(std::move(request), ask(client, false), now(), actions);
    perform(std::move(actions));
  }

  void heartbeat() {
    const Client& client = any_client();
    (void)groups_.heartbeat(client.group, client.id, client.instance, client.generation, now());
  }

  void leave() {
    const Client& client = any_client();
    const bool by_instance = client.instance && random_.below(2) == 0;
    ClassicGroupActions actions;
    std::int16_t error = 0;
    (void)groups_.leave(client.group, {{by_instance ? "" : client.id, client.instance}}, now(),
                        error, actions);
    perform(std::move(actions));
  }

  void pass(milliseconds span) {
    const TimePoint until = mono_ + span;
    while (groups_.next_deadline() <= until) {
      wall_.value += (groups_.next_deadline() - mono_) / milliseconds(1);
      mono_ = std::max(mono_, groups_.next_deadline());
      ClassicGroupActions actions;
      groups_.on_time(now(), actions);
      perform(std::move(actions));
      groups_.check_invariants();
    }
    wall_.value += (until - mono_) / milliseconds(1);
    mono_ = until;
  }

  void perform(ClassicGroupActions actions) {
    std::vector<std::string> failed;
    for (ClassicGroupAction& action : actions) {
      if (auto* joined = std::get_if<AnswerJoin>(&action)) {
        take(*joined);
      } else if (auto* synced = std::get_if<AnswerSync>(&action)) {
        ASSERT_TRUE(waiting_.contains(synced->to)) << "answered twice";
        ASSERT_FALSE(waiting_[synced->to].is_join);
        waiting_.erase(synced->to);
      } else if (const std::string& id = std::get<StoreGroup>(action).group_id; groups_.find(id)) {
        if (random_.below(10) == 0) {
          failed.push_back(id);
        } else {
          log(group_record(*groups_.find(id)));
        }
      }
    }
    ClassicGroupActions more;
    for (const std::string& id : failed) groups_.store_failed(id, now(), more);
    if (!more.empty()) perform(std::move(more));
  }

  void take(const AnswerJoin& joined) {
    const auto asked = waiting_.find(joined.to);
    ASSERT_NE(asked, waiting_.end()) << "answered twice";
    ASSERT_TRUE(asked->second.is_join);
    Client& client = clients_[asked->second.client];
    waiting_.erase(asked);
    if (joined.error == broker_error::member_id_required) client.id = joined.member_id;
    if (joined.error != broker_error::none) return;
    client.id = joined.member_id;
    client.generation = joined.generation;
    client.is_leader = joined.leader == joined.member_id;
    client.members.clear();
    for (const JoinedMember& member : joined.members) client.members.push_back(member.id);
    if (client.is_leader && !joined.skip_assignment) {
      EXPECT_TRUE(std::ranges::find(client.members, client.id) != client.members.end());
    }
  }

  // --- offsets

  void log(Result<GroupRecord> record) {
    ASSERT_TRUE(record.has_value());
    log_.push_back(*std::move(record));
  }

  void commit() {
    const std::string group = random_.below(3) == 0 ? "simple" : any_client().group;
    Client& client = any_client();
    const bool is_member = client.group == group && random_.below(2) == 0;
    const auto error = groups_.check_commit(group, is_member ? client.id : "",
                                            is_member ? client.instance : std::nullopt,
                                            is_member ? client.generation : Generation{-1}, now());
    if (error != broker_error::none) return;
    Commit made{{group, {"t" + std::to_string(random_.below(3)), 0}}, {}};
    made.key.second.second = static_cast<std::int32_t>(random_.below(3));
    made.committed.offset = Offset{++last_offset_};
    made.committed.committed_at = wall_;
    made.committed.metadata.assign(random_.below(20), 'm');
    made.committed.round = groups_.round();
    const auto& [topic, partition] = made.key.second;
    groups_.stage(group, topic, PartitionId{partition}, made.committed);
    log(offset_record(group, topic, PartitionId{partition}, made.committed));
    appended_[made.key] = made.committed.offset;
    under_way_.push_back(std::move(made));
  }

  // In the order of the log, since syncs end in order.
  void settle() {
    for (std::uint64_t i = random_.below(4); i > 0 && !under_way_.empty(); --i) {
      const Commit done = std::move(under_way_.front());
      under_way_.pop_front();
      const auto& [group, at] = done.key;
      groups_.settle(group, at.first, PartitionId{at.second}, done.committed, true);
      const auto appended = appended_.find(done.key);
      if (appended != appended_.end() && appended->second >= done.committed.offset &&
          done.committed.offset.value > since_[done.key]) {
        durable_[done.key] = done.committed.offset;
      }
    }
  }

  void forget(const std::function<bool(const Key&)>& is_gone) {
    for (auto* offsets : {&appended_, &durable_}) {
      std::erase_if(*offsets, [&](const auto& each) { return is_gone(each.first); });
    }
    for (const Commit& commit : under_way_) {
      if (is_gone(commit.key)) since_[commit.key] = last_offset_;
    }
  }

  void topics() {
    const std::string topic = "t" + std::to_string(random_.below(3));
    if (random_.below(4) != 0) return;
    groups_.forget(topic);
    forget([&](const Key& key) { return key.second.first == topic; });
  }

  void seldom() {
    std::vector<GroupRecord> records;
    switch (random_.below(6)) {
      case 0: {
        const std::string group = std::array{"even", "odd", "simple"}[random_.below(3)];
        if (groups_.remove(group, records) == broker_error::none) {
          forget([&](const Key& key) { return key.first == group; });
        }
        break;
      }
      case 1:
        begin_rewriting();
        break;
      case 2:
        check_restart();
        break;
      default:
        walk();
    }
    std::ranges::move(records, std::back_inserter(log_));
  }

  // --- walks

  void begin_rewriting() {
    if (rewritten_from_) return;
    rewritten_from_ = log_.size();
    rewriting_ = {};
  }

  void walk() {
    std::vector<GroupRecord> records;
    if (groups_.is_burying() && random_.below(2) == 0) {
      (void)groups_.bury_some(2, records);
    } else if (groups_.is_forgetting() && random_.below(2) == 0) {
      (void)groups_.forget_some(forgetting_, 2, records);
    } else if (rewritten_from_) {
      const auto has_more = groups_.snapshot_some(rewriting_, 2, records);
      ASSERT_TRUE(has_more.has_value());
      std::ranges::move(records, std::back_inserter(log_));
      records.clear();
      if (!*has_more) {
        log_.erase(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(*rewritten_from_));
        rewritten_from_.reset();
      }
    } else {
      // No offset is old enough.
      (void)groups_.expire_some(wall_, expiring_, 2, records);
      EXPECT_TRUE(records.empty());
    }
    std::ranges::move(records, std::back_inserter(log_));
  }

  void finish_walks() {
    std::vector<GroupRecord> records;
    while (groups_.is_burying()) (void)groups_.bury_some(2, records);
    while (groups_.is_forgetting()) (void)groups_.forget_some(forgetting_, 2, records);
    std::ranges::move(records, std::back_inserter(log_));
    while (rewritten_from_ && !testing::Test::HasFailure()) walk();
  }

  // --- invariants

  void check_waiting() {
    std::set<ReplyTo> kept;
    for (const std::string group : {"even", "odd"}) {
      const ClassicGroup* found = groups_.find(group);
      if (found == nullptr) continue;
      for (const auto& [id, member] : found->members()) {
        if (member.awaiting_join != 0) kept.insert(member.awaiting_join);
        if (member.awaiting_sync != 0) kept.insert(member.awaiting_sync);
      }
    }
    std::set<ReplyTo> asked;
    for (const auto& [to, what] : waiting_) asked.insert(to);
    ASSERT_EQ(kept, asked) << "a request is never answered";
  }

  static std::map<Key, Offset> offsets_in(const GroupCoordinator& groups) {
    std::map<Key, Offset> all;
    for (const std::string group : {"even", "odd", "simple"}) {
      const auto* offsets = groups.offsets(group);
      if (offsets == nullptr) continue;
      for (const auto& [at, committed] : *offsets) {
        if (groups.is_forgotten(at.first, committed)) continue;
        all[{group, {at.first, at.second.value}}] = committed.offset;
      }
    }
    return all;
  }
  void check_offsets() { ASSERT_EQ(offsets_in(groups_), durable_); }

  /// All appended offsets of existing topics are read back.
  void check_restart() {
    SeededSecureRandom random(1);
    GroupCoordinator restarted({}, random);
    for (const GroupRecord& record : log_) {
      auto stored = read_group_record(record.key, record.value);
      ASSERT_TRUE(stored.has_value());
      restarted.restore(*std::move(stored), now());
    }
    restarted.check_invariants();
    const auto is_unsure = [&](const auto& each) {
      return groups_.is_forgetting(each.first.second.first);
    };
    auto read = offsets_in(restarted);
    auto expected = appended_;
    std::erase_if(read, is_unsure);
    std::erase_if(expected, is_unsure);
    ASSERT_EQ(read, expected);
  }

  /// No client acts any more: groups become empty and expire with their offsets.
  void fall_silent() {
    while (!under_way_.empty()) settle();
    pass(std::chrono::minutes(10));
    EXPECT_TRUE(waiting_.empty());
    wall_.value += milliseconds(std::chrono::hours(2)).count();
    std::vector<GroupRecord> records;
    while (groups_.expire_some(wall_, expiring_, 2, records)) continue;
    while (groups_.expire_some(wall_, expiring_, 2, records)) continue;
    groups_.check_invariants();
    EXPECT_EQ(groups_.size(), 0u);
    EXPECT_EQ(groups_.state_bytes(), 0u);
    EXPECT_EQ(groups_.next_deadline(), never);
  }

  SeededRandom random_;
  SeededSecureRandom ids_;
  GroupCoordinator groups_;
  TimePoint mono_{std::chrono::hours(1)};
  Timestamp wall_{1'735'689'600'000};
  std::vector<Client> clients_{10};
  std::map<ReplyTo, Asked> waiting_;
  ReplyTo last_reply_ = 0;
  std::int64_t last_offset_ = 0;
  std::vector<GroupRecord> log_;
  /// Appended and durable offsets, without removed topics and groups.
  std::map<Key, Offset> appended_;
  std::map<Key, Offset> durable_;
  /// Offsets up to these belonged to a removed topic or group.
  std::map<Key, std::int64_t> since_;
  std::deque<Commit> under_way_;
  GroupCoordinator::Place forgetting_, expiring_, rewriting_;
  std::optional<std::size_t> rewritten_from_;
};

TEST(GroupEvents, KeepTheInvariantsAndTheModelForAnyEvents) {
  test::play_seeds(300, [](Random& random) { RandomEvents(random.next()).run(400); });
}

}  // namespace
}  // namespace dohle::node
