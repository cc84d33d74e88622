// Random events for the log of a partition, against a list of records.
#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "../random_events.hpp"
#include "base/broker_errors.hpp"
#include "log_fixture.hpp"

namespace dohle::log {
namespace {

struct ModelRecord {
  std::int64_t offset;
  std::int64_t timestamp;
  /// The base offset of its batch.
  std::int64_t base;
};

/// The batches that one idempotent producer has sent.
struct ModelProducer {
  std::int32_t next_sequence = 0;
  Slice newest;
  std::int64_t newest_base = -1;
};

class World final : public LogEvents {
 public:
  explicit World(Random& random) : random_(random) {
    config_.segment_bytes = 2'000;
    config_.index_interval_bytes = 300;
    config_.retention_ms = -1;
    config_.retention_bytes = static_cast<std::int64_t>(below(12'000));
    open();
  }
  void on_checked(PartitionLog&) override {}
  void on_offline(PartitionLog&, const Error& why) override {
    ADD_FAILURE() << "the log is offline: " << why.to_string();
  }

  void step() {
    switch (below(14)) {
      case 0:
      case 1:
      case 2:
        return append();
      case 3:
        return append_beside();
      case 4:
        return append_of_producer();
      case 5:
        return send_again();
      case 6:
        return begin_sync();
      case 7:
        return end_sync();
      case 8:
      case 9:
        return fetch();
      case 10:
        return look_for_time();
      case 11:
        return below(2) == 0 ? retain() : begin_later();
      case 12:
        log_->checkpoint();
        if (below(2) == 0) loop_.run();
        return;
      default:
        if (below(6) != 0) return loop_.run();
        return below(2) == 0 ? stop() : be_killed();
    }
  }

  void check() {
    log_->check_invariants();
    ASSERT_EQ(log_->end(), Offset{end_});
    ASSERT_EQ(log_->log_start(), Offset{start_});
    ASSERT_GE(log_->synced_end(), Offset{synced_});
    ASSERT_LE(log_->recovery_point(), std::max(log_->synced_end(), log_->log_start()));
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }

  void open() {
    OpenOptions options;
    options.last = std::exchange(life_, {});
    options.files = files_;
    options.events = this;
    options.topic_id.bytes[0] = 7;
    auto opened = PartitionLog::open(disk_, "/data/t-0", config_, std::move(options));
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    ASSERT_EQ(opened->report.cut_bytes, 0U);
    log_ = std::move(opened->log);
    syncs_.clear();
  }

  Slice made(int count, Producer producer) {
    time_ += static_cast<std::int64_t>(below(50));
    return make_batch(count, 10 + below(300), time_, producer);
  }
  std::int64_t store(const Slice& batch) {
    const auto header = *wire::read_batch_header(batch.bytes());
    const auto appended = append_to(*log_, batch, time_);
    EXPECT_TRUE(appended.has_value()) << appended.error().to_string();
    EXPECT_FALSE(appended->is_duplicate);
    return take(header, appended->base_offset);
  }
  std::int64_t take(const wire::BatchHeader& header, Offset appended) {
    EXPECT_EQ(appended, Offset{end_});
    const std::int64_t base = end_;
    for (int i = 0; i < header.count; ++i, ++end_) {
      records_.push_back({end_, header.base_timestamp.value + i, base});
    }
    return base;
  }
  void append() {
    end_append();
    (void)store(made(1 + static_cast<int>(below(5)), {}));
  }
  void append_beside() {
    end_append();
    is_appending_ = true;
    const Slice batch = made(1 + static_cast<int>(below(5)), {});
    const auto header = *wire::validate_produced_batch(batch);
    log_->append_beside(batch, header, LeaderEpoch{0}, {TimePoint{}, Timestamp{time_}},
                        [this, header](const Result<Appended>& outcome) {
                          is_appending_ = false;
                          ASSERT_TRUE(outcome.has_value()) << outcome.error().to_string();
                          (void)take(header, outcome->base_offset);
                        });
  }
  /// The owner appends one batch at a time.
  void end_append() {
    if (!is_appending_) return;
    EXPECT_FALSE(log_->is_prepared());
    bool is_prepared = false;
    log_->prepare([&] { is_prepared = true; });
    loop_.run();
    EXPECT_TRUE(is_prepared);
    EXPECT_FALSE(is_appending_);
  }

  void append_of_producer() {
    end_append();
    const std::uint64_t which = below(producers_.size());
    ModelProducer& producer = producers_[which];
    const int count = 1 + static_cast<int>(below(3));
    producer.newest = made(count, {static_cast<std::int64_t>(which), 0, producer.next_sequence});
    producer.next_sequence += count;
    producer.newest_base = store(producer.newest);
  }

  /// A producer that heard no answer repeats itself; one whose request was lost skips some.
  void send_again() {
    end_append();
    const std::uint64_t which = below(producers_.size());
    const ModelProducer& producer = producers_[which];
    // A log that begins behind all batches of a producer may have forgotten it.
    if (producer.newest_base < start_) return;
    const auto repeated = append_to(*log_, producer.newest, time_);
    ASSERT_TRUE(repeated.has_value()) << repeated.error().to_string();
    EXPECT_TRUE(repeated->is_duplicate);
    EXPECT_EQ(repeated->base_offset, Offset{producer.newest_base});
    const auto skipped = append_to(
        *log_, made(1, {static_cast<std::int64_t>(which), 0, producer.next_sequence + 1}), time_);
    ASSERT_FALSE(skipped.has_value());
    EXPECT_TRUE(skipped.error().is_broker(broker_error::out_of_order_sequence_number));
  }

  void begin_sync() {
    (void)log_->dirty_files();
    syncs_.push_back(end_);
  }
  void end_sync() {
    if (syncs_.empty()) return;
    synced_ = syncs_.front();
    log_->synced(Offset{synced_});
    syncs_.pop_front();
  }

  void retain() {
    const auto retained = log_->retain({TimePoint{}, Timestamp{time_}});
    ASSERT_TRUE(retained.has_value()) << retained.error().to_string();
    // Which segments go is the log's to say: the start is that of a batch.
    const std::int64_t start = log_->log_start().value;
    EXPECT_GE(start, start_);
    EXPECT_LE(start, log_->synced_end().value) << "what no sync covers is gone";
    if (start != start_ && start != end_) {
      EXPECT_EQ(record(start).base, start);
    }
    start_ = start;
  }
  void begin_later() {
    const std::int64_t last = log_->high_watermark().value;
    if (last <= start_) return;
    start_ += static_cast<std::int64_t>(below(static_cast<std::uint64_t>(last + 1 - start_)));
    ASSERT_TRUE(log_->set_log_start(Offset{start_}).has_value());
  }

  const ModelRecord& record(std::int64_t offset) {
    return records_.at(static_cast<std::size_t>(offset));
  }

  void fetch() {
    const std::int64_t from =
        start_ + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(end_ + 1 - start_)));
    // It lies between two batches, as all ends do that consumers see.
    const std::int64_t some =
        start_ + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(end_ + 1 - start_)));
    const std::int64_t limit = below(3) == 0 && some < end_ ? record(some).base : end_;
    const std::size_t most = below(1'500);
    auto fetched = log_->fetch(Offset{from}, Offset{limit}, most, true);
    ASSERT_TRUE(fetched.has_value()) << fetched.error().to_string();
    if (fetched->is_being_checked) {
      loop_.run();
      fetched = log_->fetch(Offset{from}, Offset{limit}, most, true);
      ASSERT_TRUE(fetched.has_value()) << fetched.error().to_string();
    }
    const auto offsets = offsets_in(*fetched->bytes.flatten());
    if (from >= limit) {
      EXPECT_TRUE(offsets.empty());
      EXPECT_EQ(fetched->next, Offset{from});
      return;
    }
    // It begins with the batch that holds the offset; whole batches follow, below the limit.
    ASSERT_TRUE(!offsets.empty() || fetched->is_being_checked)
        << "nothing from " << from << " below " << limit;
    if (offsets.empty()) return;
    EXPECT_EQ(offsets.front(), record(from).base);
    for (std::size_t i = 1; i < offsets.size(); ++i) {
      ASSERT_EQ(offsets[i], offsets[i - 1] + 1) << "a record is missing";
    }
    EXPECT_EQ(fetched->next, Offset{offsets.back() + 1});
    EXPECT_TRUE(offsets.back() + 1 == end_ || record(offsets.back() + 1).base == offsets.back() + 1)
        << "a batch is cut";
  }
  void look_for_time() {
    const Timestamp time{static_cast<std::int64_t>(below(static_cast<std::uint64_t>(time_ + 20)))};
    const auto found = log_->offset_for(time);
    ASSERT_TRUE(found.has_value()) << found.error().to_string();
    const auto first = std::ranges::find_if(records_, [&](const ModelRecord& each) {
      return each.offset >= start_ && each.timestamp >= time.value;
    });
    ASSERT_EQ(found->has_value(), first != records_.end()) << "at " << time.value;
    if (!*found) return;
    EXPECT_EQ((*found)->offset, Offset{first->offset});
    EXPECT_EQ((*found)->timestamp, Timestamp{first->timestamp});
  }

  void stop() {
    end_append();
    ASSERT_TRUE(log_->flush().has_value());
    (void)log_->dirty_files();
    log_->synced(log_->end());
    ASSERT_TRUE(log_->write_recovery_point().has_value());
    if (below(2) == 0) life_.marked = log_->marked();
    loop_.run();
    log_.reset();
    synced_ = end_;
    open();
  }
  /// The page cache survives.
  void be_killed() {
    end_append();
    if (below(2) == 0) loop_.run();
    // The start is durable with the next checkpoint, and only then.
    ASSERT_TRUE(log_->write_recovery_point().has_value());
    log_.reset();
    loop_.run();
    life_.end = LastLife::End::killed;
    if (below(2) == 0) life_.noted_end = Offset{synced_};
    open();
  }

  Random& random_;
  ManualLoop loop_;
  disk::MemoryDisk disk_{loop_};
  std::shared_ptr<FileCache> files_ = std::make_shared<FileCache>(4);
  LogConfig config_;
  LastLife life_;
  std::unique_ptr<PartitionLog> log_;
  std::deque<std::int64_t> syncs_;
  std::vector<ModelRecord> records_;
  std::vector<ModelProducer> producers_ = std::vector<ModelProducer>(3);
  std::int64_t start_ = 0;
  std::int64_t end_ = 0;
  std::int64_t synced_ = 0;
  std::int64_t time_ = 1'000;
  bool is_appending_ = false;
};

TEST(PartitionLogRandom, agrees_with_a_list_of_records_for_any_events) {
  test::play_seeds(600, [](Random& random) {
    World world(random);
    for (int i = 0; i < 150 && !testing::Test::HasFailure(); ++i) {
      world.step();
      world.check();
    }
  });
}

}  // namespace
}  // namespace dohle::log
