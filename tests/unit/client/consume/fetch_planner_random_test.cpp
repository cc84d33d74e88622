// Random events for the fetches of a consumer, against two servers with fetch sessions whose logs
// grow, expire and move from one to the other, and a network that loses answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../../random_events.hpp"
#include "../made_batch.hpp"
#include "base/broker_errors.hpp"
#include "client/consume/fetch_planner.hpp"
#include "client/consume/records_walk.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;

constexpr std::int32_t partitions = 4;

/// A partition's log, wherever it is led from.
struct LogModel {
  NodeId leader{1};
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::vector<std::pair<std::int64_t, Slice>> batches;

  void append(int count) {
    batches.emplace_back(end, plain_batch(end, count).bytes());
    end += count;
  }
  /// Whole batches from the one that holds `offset` on; always one.
  [[nodiscard]] Slice read(std::int64_t offset, std::size_t max_bytes) const {
    std::string bytes;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const std::int64_t next = i + 1 < batches.size() ? batches[i + 1].first : end;
      if (next <= offset) continue;
      const std::string_view batch = batches[i].second.text();
      if (!bytes.empty() && bytes.size() + batch.size() > max_bytes) break;
      bytes += batch;
    }
    return Slice::copy_of(bytes);
  }
};

/// The fetch session that one server keeps of the consumer (KIP-227).
struct SessionModel {
  std::int32_t id = 0;
  std::int32_t epoch = 0;
  std::map<PartitionId, std::int64_t> offsets;
};

class World {
 public:
  explicit World(Random& random) : random_(random), planner_(options(), account_, random) {
    announce();
    planner_.assign(names(), false);
  }

  void step() {
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
        return plan();
      case 3:
      case 4:
      case 5:
        return answer();
      case 6:
        return lose_answer();
      case 7:
      case 8:
        return poll();
      case 9:
        return log(below(partitions)).append(1 + static_cast<int>(below(6)));
      case 10:
        return change_servers();
      case 11:
        return seek();
      case 12:
        return change_assignment();
      case 13:
      case 14:
        return answer_lookup();
      default:
        now_ += std::chrono::milliseconds(below(300));
        if (below(2) == 0) planner_.settle();
        if (below(3) == 0) held_.clear();
    }
  }

  void check() {
    planner_.check_invariants();
    for (const TopicPartition& where : planner_.assignment()) {
      const auto position = planner_.position(where);
      ASSERT_TRUE(position) << position.error().to_string();
      Offset& next = next_[where];
      // It was found, or is looked for.
      if (next.is_none() || position->is_none()) next = *position;
      ASSERT_EQ(*position, next) << "the position is not after the record that was taken last";
    }
  }

  /// The network heals: everything is read.
  void finish() {
    planner_.assign(names(), false);
    planner_.release();
    for (const TopicPartition& where : names()) ASSERT_TRUE(planner_.pause(where, false));
    check();
    for (int turn = 0; turn < 2'000 && !is_all_read(); ++turn) {
      now_ += 50ms;
      plan();
      is_healed_ = true;
      for (int each = 0; each < 4; ++each) {
        answer();
        answer_lookup();
      }
      poll();
      held_.clear();
      check();
    }
    EXPECT_TRUE(is_all_read()) << "records are never fetched";
    while (!requests_.empty()) answer();
    check();
    EXPECT_EQ(account_->used(), 0U) << "room of fetches is not given back";
  }

 private:
  struct Request {
    NodeId node;
    wire::FetchRequest message;
  };

  static FetchPlanner::Options options() {
    FetchPlanner::Options made;
    made.max_bytes = 4'000;
    made.max_partition_bytes = 500;
    made.reset = OffsetReset::earliest;
    return made;
  }
  static TopicPartition name(std::uint64_t index) {
    return {"t", PartitionId{static_cast<std::int32_t>(index)}};
  }
  static std::vector<TopicPartition> names() {
    std::vector<TopicPartition> all;
    for (std::uint64_t i = 0; i < partitions; ++i) all.push_back(name(i));
    return all;
  }
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  LogModel& log(std::uint64_t index) { return logs_.at(index); }
  LogModel& log(PartitionId index) { return log(static_cast<std::uint64_t>(index.value)); }

  /// Metadata comes.
  void announce() {
    wire::MetadataResponse answer;
    for (const std::int32_t node : {1, 2}) {
      answer.brokers.push_back({NodeId{node}, "host", 9092, {}});
    }
    auto& topic = answer.topics.emplace_back();
    topic.name = "t";
    ++leader_epoch_;
    for (std::int32_t i = 0; i < partitions; ++i) {
      auto& partition = topic.partitions.emplace_back();
      partition.partition_index = PartitionId{i};
      partition.leader_id = log(PartitionId{i}).leader;
      partition.leader_epoch = LeaderEpoch{leader_epoch_};
    }
    view_.need("t", false);
    (void)view_.ask(now_);
    ASSERT_TRUE(view_.on_answer(answer, now_));
    FetchPlanner::News news;
    planner_.note_topics(view_, news);
  }

  void plan() {
    planner_.lookups(now_, lookups_);
    std::vector<FetchPlanner::Ask> asks;
    planner_.plan(now_, view_, asks);
    for (auto& each : asks) requests_.push_back({each.node, std::move(each.message)});
  }

  wire::FetchResponse response_to(const Request& request) {
    SessionModel& session = sessions_[request.node];
    wire::FetchResponse response;
    const bool is_new = request.message.session_epoch == 0;
    if (!is_new && (request.message.session_id != session.id ||
                    request.message.session_epoch != session.epoch)) {
      response.error_code = broker_error::fetch_session_id_not_found;
      return response;
    }
    if (is_new) session = {++last_session_, 0, {}};
    ++session.epoch;
    for (const auto& topic : request.message.forgotten_topics_data) {
      for (const PartitionId partition : topic.partitions) session.offsets.erase(partition);
    }
    for (const auto& topic : request.message.topics) {
      for (const auto& wanted : topic.partitions) {
        session.offsets[wanted.partition] = wanted.fetch_offset.value;
      }
    }
    response.session_id = session.id;
    auto& topic = response.responses.emplace_back();
    topic.topic = "t";
    for (const auto& [partition, offset] : session.offsets) {
      const LogModel& from = log(partition);
      auto& data = topic.partitions.emplace_back();
      data.partition_index = partition;
      data.high_watermark = Offset{from.end};
      if (from.leader != request.node) {
        data.error_code = broker_error::not_leader_or_follower;
      } else if (offset < from.start || offset > from.end) {
        data.error_code = broker_error::offset_out_of_range;
      } else if (offset < from.end) {
        data.records = Chain(from.read(offset, 500));
      }
    }
    return response;
  }

  Request take_request() {
    const auto at = requests_.begin() + static_cast<std::ptrdiff_t>(below(requests_.size()));
    Request request = std::move(*at);
    requests_.erase(at);
    return request;
  }
  void answer() {
    if (requests_.empty()) return;
    const Request request = take_request();
    if (!is_healed_ && below(20) == 0) sessions_.erase(request.node);
    give(request.node, response_to(request));
  }
  /// The server may have acted.
  void lose_answer() {
    if (requests_.empty()) return;
    const Request request = take_request();
    if (below(2) == 0) (void)response_to(request);
    give(request.node, fail(Error::client(Errc::connection_lost, "gone").with_retriable(true)));
  }
  void give(NodeId node, Result<wire::FetchResponse> response) {
    FetchPlanner::News news;
    planner_.on_answer(node, std::move(response), now_, news);
    if (news.doubt) announce();
  }

  void poll() {
    std::vector<RecordsRun> runs;
    bool freed = false;
    const std::size_t most = 1 + below(12);
    const std::size_t count = planner_.take(most, runs, freed);
    EXPECT_LE(count, most);
    RecordsWalk walk(runs, count, {true, account_, {}});
    std::size_t walked = 0;
    for (; const ConsumerRecord* record = walk.next(); ++walked) {
      Offset& next = next_[{std::string(record->topic), record->partition}];
      ASSERT_EQ(record->offset, next) << "a record is handed out twice, or is left out";
      EXPECT_EQ(as_text(*record->value), std::to_string(next.value));
      next = next + 1;
    }
    EXPECT_EQ(walk.error(), nullptr);
    EXPECT_EQ(walked, count);
    bool is_again = false;
    EXPECT_FALSE(planner_.take_error(now_, is_again));
    held_.push_back(std::move(runs));
  }

  void change_servers() {
    LogModel& changed = log(below(partitions));
    if (below(2) == 0) {
      changed.start =
          changed.start + static_cast<std::int64_t>(
                              below(static_cast<std::uint64_t>(changed.end + 1 - changed.start)));
    } else {
      changed.leader = NodeId{3 - changed.leader.value};
      if (below(2) == 0) announce();
    }
  }

  void seek() {
    const TopicPartition where = name(below(partitions));
    if (!planner_.has(where)) return;
    switch (below(4)) {
      case 0: {
        const auto bound = static_cast<std::uint64_t>(log(where.partition).end + 3);
        const Offset to{static_cast<std::int64_t>(below(bound))};
        ASSERT_TRUE(planner_.seek(where, to));
        next_[where] = to;
        return;
      }
      case 1:
        ASSERT_TRUE(planner_.seek(where, StartingPoint{StartingPoint::Kind::latest}));
        return;
      default:
        ASSERT_TRUE(planner_.pause(where, below(2) == 0));
    }
  }

  void change_assignment() {
    std::vector<TopicPartition> some;
    for (const TopicPartition& each : names()) {
      if (below(3) != 0) some.push_back(each);
    }
    switch (below(4)) {
      case 0:
        planner_.stop(some);
        if (below(2) == 0) planner_.remove(some);
        break;
      case 1:
        return planner_.release();
      default:
        planner_.assign(some, below(2) == 0);
    }
    // Forgotten partitions start again.
    std::erase_if(next_, [this](const auto& each) { return !planner_.has(each.first); });
  }

  void answer_lookup() {
    if (lookups_.empty()) return;
    const FetchPlanner::Lookup lookup = lookups_.front();
    lookups_.erase(lookups_.begin());
    const LogModel& at = log(lookup.where.partition);
    if (below(2) == 0) planner_.on_looked_up_at(lookup, at.leader);
    if (!is_healed_ && below(4) == 0) {
      const Error why = Error::client(Errc::connection_lost, "gone").with_retriable(true);
      return planner_.on_not_found(lookup, why, now_);
    }
    const bool is_end = lookup.from.kind == StartingPoint::Kind::latest;
    planner_.on_found(lookup, Offset{is_end ? at.end : at.start}, {}, now_);
  }

  bool is_all_read() {
    return std::ranges::all_of(names(), [this](const TopicPartition& where) {
      return planner_.position(where).value() == Offset{log(where.partition).end};
    });
  }

  Random& random_;
  TimePoint now_{1h};
  int leader_epoch_ = 0;
  std::int32_t last_session_ = 0;
  bool is_healed_ = false;
  ClusterView view_{{}};
  std::vector<LogModel> logs_ = std::vector<LogModel>(partitions);
  std::map<NodeId, SessionModel> sessions_;
  std::shared_ptr<BufferAccount> account_ = std::make_shared<BufferAccount>(12'000, [] {});
  FetchPlanner planner_;
  std::deque<Request> requests_;
  std::vector<FetchPlanner::Lookup> lookups_;
  std::vector<std::vector<RecordsRun>> held_;
  /// Behind the record that was taken last; none: the position is not known.
  std::map<TopicPartition, Offset> next_;
};

TEST(FetchPlannerRandom, HandsOutEachRecordOnceAndInOrderForAnyEvents) {
  test::play_seeds(2'000, [](Random& random) {
    World world(random);
    for (int i = 0; i < 200 && !testing::Test::HasFatalFailure(); ++i) {
      world.step();
      world.check();
    }
    if (!testing::Test::HasFailure()) world.finish();
  });
}

}  // namespace
}  // namespace dohle::client
