// Random events for one partition of a producer, against a server that detects duplicates as Apache
// Kafka does and a network that loses answers and delays requests.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../../random_events.hpp"
#include "base/broker_errors.hpp"
#include "client/produce/produce_partition.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using Next = ProducePartition::Next;

std::vector<int> values_of(const Chain& batch) {
  std::vector<int> values;
  auto reader = wire::BatchReader::open(*batch.flatten());
  RecordView view;
  while (reader && reader->next(view)) {
    values.push_back(std::stoi(std::string(as_text(*view.value))));
  }
  return values;
}

/// The state of one producer at its partition's leader.
class ServerModel {
 public:
  explicit ServerModel(std::int32_t max_count) : max_count_(max_count) {}
  struct Answer {
    std::int16_t code = broker_error::none;
    std::int64_t base = -1;
  };
  Answer append(const Chain& batch) {
    const auto whole = batch.flatten();
    const auto header = *wire::read_batch_header(whole->bytes());
    // A batch that was refused once is always refused.
    const std::vector<int> values = values_of(batch);
    if (header.count > max_count_) return {broker_error::message_too_large, -1};
    if (std::ranges::any_of(values, [](int value) { return value % 23 == 22; })) {
      return {broker_error::invalid_record, -1};
    }
    if (header.base_sequence < 0) return {broker_error::none, store(batch)};
    if (header.producer_epoch < epoch_) return {broker_error::invalid_producer_epoch, -1};
    for (const Remembered& each : last_) {
      const bool is_same = header.producer_epoch == epoch_ && each.first == header.base_sequence &&
                           each.count == header.count;
      if (is_same) return {broker_error::none, each.base};
    }
    const bool is_new = header.producer_epoch > epoch_;
    const bool follows = is_new ? header.base_sequence == 0 : header.base_sequence == next_;
    if (knows_ && !follows) return {broker_error::out_of_order_sequence_number, -1};
    if (is_new) last_.clear();
    knows_ = true;
    epoch_ = header.producer_epoch;
    next_ = header.base_sequence + header.count;
    last_.push_back({header.base_sequence, header.count, store(batch)});
    if (last_.size() > 5) last_.pop_front();
    return {broker_error::none, last_.back().base};
  }
  [[nodiscard]] const std::vector<int>& stored() const { return log_; }

 private:
  struct Remembered {
    std::int32_t first, count;
    std::int64_t base;
  };
  std::int64_t store(const Chain& batch) {
    const auto base = static_cast<std::int64_t>(log_.size());
    for (const int value : values_of(batch)) log_.push_back(value);
    return base;
  }
  const std::int32_t max_count_;
  std::vector<int> log_;
  std::deque<Remembered> last_;
  ProducerEpoch epoch_{-1};
  std::int32_t next_ = 0;
  bool knows_ = false;
};

class World final : public ProducePartition::Events {
 public:
  World(Random& random, bool idempotent) : random_(random), is_idempotent_(idempotent) {
    if (idempotent) sender_.offer({ProducerId{7}, ProducerEpoch{0}});
  }
  void on_outcome(const SealedBatch& batch, const Outcome::Part& outcome) override {
    EXPECT_EQ(outcome.first, batch.first);
    EXPECT_EQ(outcome.count, static_cast<std::uint32_t>(batch.count));
  }
  void on_settled(SealedBatch& batch, const std::optional<Error>& why) override {
    for (std::int32_t i = 0; i < batch.count; ++i) {
      const int value = first_of_.at(batch.serial) + static_cast<int>(batch.first) + i;
      EXPECT_TRUE(told_.emplace(value, why).second) << "record " << value << " is told of twice";
    }
  }
  void on_thrown() override { ADD_FAILURE() << "no callback throws"; }
  void on_too_large(std::uint64_t order, Chain batch) override {
    splits_.emplace_back(order, std::move(batch));
  }

  void step() {
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return send();
      case 4:
      case 5:
      case 6:
        return answer(true);
      case 7:
        return answer(false);
      case 8:
        return lose_connection();
      case 9:
        return deliver_late();
      case 10:
        return split_one();
      default:
        now_ += std::chrono::milliseconds(below(400));
        if (below(4) == 0) sender_.expire(now_);
        if (below(6) == 0) leader_ = NodeId{1 + static_cast<std::int32_t>(below(2))};
    }
  }
  void check() {
    sender_.check_invariants();
    if (!is_idempotent_) return;
    const std::vector<int>& log = server_.stored();
    EXPECT_TRUE(std::ranges::is_sorted(log, std::less_equal<>{}))
        << "records are stored twice or out of order";
  }
  /// The network heals, and all requests are answered.
  void finish() {
    for (int turn = 0; turn < 400 && !(sender_.is_idle() && splits_.empty()); ++turn) {
      now_ += 50ms;
      send();
      is_healed_ = true;
      while (!requests_.empty()) answer(true);
      while (!splits_.empty()) split_one();
      check();
    }
    EXPECT_TRUE(sender_.is_idle()) << "batches wait for ever";
    const std::set<int> stored(server_.stored().begin(), server_.stored().end());
    EXPECT_EQ(told_.size(), static_cast<std::size_t>(written_)) << "records without an outcome";
    for (const auto& [value, why] : told_) {
      if (!why) {
        EXPECT_TRUE(stored.contains(value)) << "acknowledged, but not stored: " << value;
      }
      if (why && why->stored() == Stored::no) {
        EXPECT_FALSE(stored.contains(value)) << "said not to be stored: " << value;
      }
    }
  }

 private:
  struct Request {
    std::uint64_t order;
    Chain bytes;
    NodeId node;
  };
  std::uint64_t below(std::uint64_t limit) { return random_.below(limit); }

  OpenBatch batch() {
    wire::BatchBuilder builder(budget_, 1 << 20);
    const int count = 1 + static_cast<int>(below(4));
    first_of_[++serial_] = written_;
    for (int i = 0; i < count; ++i) {
      const std::string value = std::to_string(written_++);
      EXPECT_EQ(builder.append({.value = as_bytes(value)}, Timestamp{1'000}),
                wire::BatchBuilder::Appended::ok);
    }
    OutcomeRef outcome(new Outcome({}, "orders", 1, PartitionId{3}, builder.base_timestamp()));
    return {std::move(builder), std::move(outcome), {}, now_, serial_};
  }
  void send() {
    const Next next = sender_.next(leader_, now_);
    const SealedBatch* sent = nullptr;
    if (next == Next::resend) sent = &sender_.resend(leader_);
    if (next == Next::fresh && !is_healed_) {
      sent = &sender_.seal(batch(), wire::Compression::none, {}, 2s, leader_);
    }
    if (next == Next::new_identity) sender_.offer({ProducerId{8}, ProducerEpoch{0}});
    if (sent != nullptr) requests_.push_back({sent->order, sent->bytes, leader_});
  }
  /// The server has the first request. Its answer arrives, or is an error.
  void answer(bool well) {
    if (requests_.empty()) return;
    const Request request = std::move(requests_.front());
    requests_.pop_front();
    ProduceVerdict verdict;
    if (well) {
      const auto answered = server_.append(request.bytes);
      if (answered.code != broker_error::none) verdict.error = Error::broker(answered.code);
      verdict.base_offset = Offset{answered.base};
    } else {
      const bool is_moved = below(2) == 0;
      verdict.error = Error::broker(is_moved ? broker_error::not_leader_or_follower
                                             : broker_error::not_enough_replicas);
      verdict.is_unanswered = verdict.error->is_broker(broker_error::not_leader_or_follower);
    }
    sender_.on_verdict(request.order, verdict, now_ + std::chrono::milliseconds(below(100)));
  }
  /// The server received a first part of the requests in flight, and receives the others now, later
  /// or never.
  void lose_connection() {
    const std::uint64_t arrived = below(requests_.size() + 1);
    std::vector<Chain> sent;
    const Error why = Error::client(Errc::connection_lost, "gone");
    for (std::uint64_t i = 0; i < arrived; ++i) sent.push_back(requests_[i].bytes);
    if (below(3) == 0) {
      late_.push_back(std::move(sent));
    } else {
      for (const Chain& bytes : sent) (void)server_.append(bytes);
    }
    for (const Request& each : std::exchange(requests_, {})) {
      sender_.on_verdict(each.order, {.error = why, .is_unanswered = true}, now_);
    }
  }
  void deliver_late() {
    if (late_.empty()) return;
    for (const Chain& bytes : late_.front()) (void)server_.append(bytes);
    late_.pop_front();
  }
  void split_one() {
    if (splits_.empty()) return;
    auto [order, batch] = std::move(splits_.front());
    splits_.pop_front();
    sender_.on_halves(order, split_batch(batch, {}));
  }

  Random& random_;
  const bool is_idempotent_;
  Budget budget_{64 << 20};
  ServerModel server_{1 + static_cast<std::int32_t>(random_.below(6))};
  ProducePartition sender_{*this, "orders-3"};
  TimePoint now_{1h};
  NodeId leader_{1};
  int written_ = 0;
  std::uint64_t serial_ = 0;
  bool is_healed_ = false;
  std::map<std::uint64_t, int> first_of_;
  std::map<int, std::optional<Error>> told_;
  std::deque<Request> requests_;
  std::deque<std::vector<Chain>> late_;
  std::deque<std::pair<std::uint64_t, Chain>> splits_;
};

void play(Random& random, bool idempotent) {
  World world(random, idempotent);
  for (int i = 0; i < 150 && !testing::Test::HasFailure(); ++i) {
    world.step();
    world.check();
  }
  world.finish();
}

TEST(RandomEventsOfAPartition, StoreEachRecordOnceInOrderWithIdempotence) {
  test::play_seeds(500, [](Random& random) { play(random, true); });
}

TEST(RandomEventsOfAPartition, ReportStoredRecordsWithoutIdempotence) {
  test::play_seeds(300, [](Random& random) { play(random, false); });
}

}  // namespace
}  // namespace dohle::client
