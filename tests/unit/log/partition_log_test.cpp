#include "log/partition_log.hpp"

#include <string>

#include <gtest/gtest.h>

#include "base/broker_errors.hpp"
#include "base/budget.hpp"
#include "base/units.hpp"
#include "disk/memory_disk.hpp"
#include "wire/batch_builder.hpp"

namespace dohle::log {
namespace {

/// Runs nothing: the log uses only the calls of Disk that answer at once.
class NoLoop final : public Executor {
 public:
  void post(Task) override {}
  bool is_loop_thread() const override { return true; }
  TimerId arm(TimePoint, Task) override { return 1; }
  void cancel(TimerId) override {}
  Now tick() const override { return {}; }
};

class PartitionLogTest : public testing::Test {
 protected:
  Slice batch(int records, std::size_t value_bytes = 100, std::int64_t timestamp = 1000,
              wire::BatchBuilder::Seal seal = {}) {
    wire::BatchBuilder builder(budget_, 16_MiB);
    const std::string value(value_bytes, 'v');
    for (int i = 0; i < records; ++i) {
      EXPECT_EQ(builder.append({.value = as_bytes(value)}, Timestamp{timestamp + i}),
                wire::BatchBuilder::Appended::ok);
    }
    return *builder.seal(std::move(seal)).flatten();
  }

  void open(bool was_clean = false) {
    log_.reset();
    auto opened = PartitionLog::open(disk_, "/data/t-0", config_, was_clean);
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    log_ = std::move(opened->log);
    report_ = opened->report;
  }

  Result<Appended> append(const Slice& bytes, std::int64_t now = 1000) {
    const auto header = wire::validate_produced_batch(bytes);
    EXPECT_TRUE(header.has_value());
    return log_->append(bytes, *header, LeaderEpoch{0}, {TimePoint{}, Timestamp{now}});
  }

  /// The offsets of all records from `from` on, as a consumer would find them.
  std::vector<std::int64_t> offsets_from(std::int64_t from) {
    std::vector<std::int64_t> offsets;
    const auto chain = log_->read(Offset{from}, log_->end(), 64_MiB, true);
    EXPECT_TRUE(chain.has_value()) << chain.error().to_string();
    Slice bytes = *chain->flatten();
    while (!bytes.empty()) {
      const auto header = wire::read_batch_header(bytes.bytes());
      EXPECT_TRUE(header.has_value());
      auto reader = wire::BatchReader::open(bytes.sub(0, header->size()));
      EXPECT_TRUE(reader.has_value());
      for (RecordView record; reader->next(record);) offsets.push_back(record.offset.value);
      bytes = bytes.sub(header->size());
    }
    return offsets;
  }

  std::shared_ptr<File> log_file(std::int64_t base = 0) {
    return *disk_.open("/data/t-0/" + Segment::file_name(Offset{base}, ".log"),
                       OpenMode::read_write);
  }

  void sync() {
    log_->synced(log_->end());
    ASSERT_TRUE(log_->write_recovery_point().has_value());
  }

  NoLoop loop_;
  disk::MemoryDisk disk_{loop_};
  Budget budget_{64_MiB};
  LogConfig config_;
  std::unique_ptr<PartitionLog> log_;
  RecoveryReport report_;
};

TEST_F(PartitionLogTest, offsets_count_up_and_survive_a_restart) {
  open();
  EXPECT_EQ(append(batch(3))->base_offset, Offset{0});
  EXPECT_EQ(append(batch(2))->base_offset, Offset{3});
  EXPECT_EQ(log_->end(), Offset{5});
  EXPECT_EQ(offsets_from(0), (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
  open();
  EXPECT_EQ(log_->end(), Offset{5});
  EXPECT_EQ(report_.cut_bytes, 0u);
  EXPECT_EQ(offsets_from(3), (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(append(batch(1))->base_offset, Offset{5});
}

TEST_F(PartitionLogTest, a_read_begins_with_the_batch_that_holds_the_offset) {
  open();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(batch(10, 200)).has_value());
  for (std::int64_t from = 0; from < 500; from += 7) {
    const auto offsets = offsets_from(from);
    ASSERT_FALSE(offsets.empty());
    EXPECT_EQ(offsets.front(), from / 10 * 10);
    EXPECT_EQ(offsets.back(), 499);
  }
  EXPECT_TRUE(offsets_from(500).empty());
}

TEST_F(PartitionLogTest, a_read_ends_at_its_limits) {
  open();
  const std::size_t size = batch(10).size();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(batch(10)).has_value());
  EXPECT_EQ(log_->read(Offset{0}, Offset{50}, 2 * size + 1, true)->size(), 2 * size);
  EXPECT_EQ(log_->read(Offset{0}, Offset{50}, 1, true)->size(), size);
  EXPECT_EQ(log_->read(Offset{0}, Offset{50}, 1, false)->size(), 0u);
  EXPECT_EQ(log_->read(Offset{0}, Offset{29}, 1_MiB, true)->size(), 2 * size);
  EXPECT_EQ(log_->read(Offset{0}, Offset{30}, 1_MiB, true)->size(), 3 * size);
  for (const std::int64_t outside : {-1, 51}) {
    const auto refused = log_->read(Offset{outside}, Offset{50}, 1_MiB, true);
    ASSERT_FALSE(refused.has_value());
    EXPECT_TRUE(refused.error().is_broker(broker_error::offset_out_of_range));
  }
}

TEST_F(PartitionLogTest, segments_roll_by_size_and_are_read_across) {
  config_.segment_bytes = 5'000;
  open();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(append(batch(5)).has_value());
  EXPECT_GT(log_->segment_count(), 4u);
  EXPECT_EQ(offsets_from(0).size(), 200u);
  open();
  EXPECT_EQ(offsets_from(0).size(), 200u);
  EXPECT_EQ(log_->end(), Offset{200});
}

TEST_F(PartitionLogTest, segments_roll_by_age) {
  open();
  ASSERT_TRUE(append(batch(1), 1000).has_value());
  ASSERT_TRUE(append(batch(1), 1000 + config_.segment_age_max.count()).has_value());
  EXPECT_EQ(log_->segment_count(), 1u);
  ASSERT_TRUE(append(batch(1), 1001 + config_.segment_age_max.count()).has_value());
  EXPECT_EQ(log_->segment_count(), 2u);
}

TEST_F(PartitionLogTest, retention_by_size_drops_the_oldest_segments) {
  config_.segment_bytes = 5'000;
  config_.retention_bytes = 10'000;
  open();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(append(batch(5)).has_value());
  EXPECT_EQ(*log_->retain({TimePoint{}, Timestamp{1000}}), 0u) << "nothing is synced yet";
  sync();
  EXPECT_GT(*log_->retain({TimePoint{}, Timestamp{1000}}), 0u);
  EXPECT_GE(log_->size_bytes(), 10'000u);
  EXPECT_LT(log_->size_bytes(), 15'000u);
  const Offset start = log_->log_start();
  EXPECT_GT(start, Offset{0});
  EXPECT_FALSE(log_->read(Offset{0}, log_->end(), 1_MiB, true).has_value());
  open();
  EXPECT_EQ(log_->log_start(), start);
  EXPECT_EQ(log_->end(), Offset{200});
}

TEST_F(PartitionLogTest, retention_by_time_empties_the_log_and_keeps_its_end) {
  config_.retention_ms = 1000;
  open();
  ASSERT_TRUE(append(batch(3, 10, 5000)).has_value());
  sync();
  EXPECT_EQ(*log_->retain({TimePoint{}, Timestamp{6002}}), 0u);
  EXPECT_EQ(*log_->retain({TimePoint{}, Timestamp{6003}}), 1u);
  EXPECT_EQ(log_->log_start(), Offset{3});
  EXPECT_EQ(log_->size_bytes(), 0u);
  open();
  EXPECT_EQ(log_->end(), Offset{3});
  EXPECT_EQ(append(batch(1))->base_offset, Offset{3});
}

TEST_F(PartitionLogTest, a_duplicate_gets_its_first_offset_also_after_a_restart) {
  open();
  const Slice bytes =
      batch(3, 10, 1,
            {.producer_id = ProducerId{9}, .producer_epoch = ProducerEpoch{0}, .base_sequence = 0});
  ASSERT_TRUE(append(batch(4)).has_value());
  EXPECT_EQ(append(bytes)->base_offset, Offset{4});
  for (int round = 0; round < 2; ++round) {
    const auto again = append(bytes);
    EXPECT_TRUE(again->is_duplicate);
    EXPECT_EQ(again->base_offset, Offset{4});
    EXPECT_EQ(log_->end(), Offset{7});
    open();
  }
  const auto gap = append(batch(
      1, 10, 1,
      {.producer_id = ProducerId{9}, .producer_epoch = ProducerEpoch{0}, .base_sequence = 4}));
  ASSERT_FALSE(gap.has_value());
  EXPECT_TRUE(gap.error().is_broker(broker_error::out_of_order_sequence_number));
}

TEST_F(PartitionLogTest, a_batch_above_max_message_bytes_is_refused) {
  config_.message_bytes_max = 500;
  open();
  const auto refused = append(batch(1, 1000));
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is_broker(broker_error::message_too_large));
}

TEST_F(PartitionLogTest, log_append_time_is_stamped_and_answered) {
  config_.timestamp_type = TimestampType::log_append_time;
  open();
  EXPECT_EQ(append(batch(2, 10, 5), 777)->append_time, Timestamp{777});
  EXPECT_EQ(log_->offset_for(Timestamp{777})->value().offset, Offset{0});
  EXPECT_FALSE(log_->offset_for(Timestamp{778})->has_value());
}

TEST_F(PartitionLogTest, offsets_are_found_by_time) {
  config_.segment_bytes = 20'000;
  open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(append(batch(10, 100, 1000 + 10 * i)).has_value());
  for (std::int64_t time = 990; time < 2000; time += 13) {
    const auto found = log_->offset_for(Timestamp{time});
    ASSERT_TRUE(found.has_value() && found->has_value()) << time;
    EXPECT_EQ((*found)->offset, Offset{std::max<std::int64_t>(0, time - 1000)});
  }
  EXPECT_FALSE(log_->offset_for(Timestamp{2000})->has_value());
  EXPECT_EQ(log_->max_timestamp()->value().offset, Offset{999});
}

TEST_F(PartitionLogTest, a_tail_torn_at_any_byte_is_cut_and_kept) {
  open();
  ASSERT_TRUE(append(batch(3)).has_value());
  sync();
  const std::uint64_t synced_bytes = log_->size_bytes();
  ASSERT_TRUE(append(batch(2)).has_value());
  const std::uint64_t whole_first = log_->size_bytes();
  ASSERT_TRUE(append(batch(4)).has_value());
  const Slice all = *log_->read(Offset{0}, Offset{9}, 1_MiB, true)->flatten();
  for (std::uint64_t size = synced_bytes; size < all.size(); ++size) {
    log_.reset();
    auto file = log_file();
    ASSERT_TRUE(file->truncate(0).has_value());
    const Bytes left = all.bytes().first(size);
    ASSERT_TRUE(file->write(0, {&left, 1}).has_value());
    const auto offsets = "/data/t-0/dohle-offsets";
    const Bytes text = as_bytes(std::string_view("3\n0\n"));
    auto checkpoint = *disk_.open(offsets, OpenMode::truncate);
    ASSERT_TRUE(checkpoint->write(0, {&text, 1}).has_value());
    open();
    EXPECT_EQ(log_->end(), Offset{size < whole_first ? 3 : 5}) << size;
    const std::uint64_t kept_at = size < whole_first ? synced_bytes : whole_first;
    EXPECT_EQ(report_.cut_bytes, size - kept_at);
    if (report_.cut_bytes > 0) {
      const auto kept = disk_.open(report_.kept_in, OpenMode::read);
      ASSERT_TRUE(kept.has_value());
      EXPECT_EQ((*kept)->size(), report_.cut_bytes);
    }
  }
}

TEST_F(PartitionLogTest, damage_below_the_recovery_point_is_refused_with_advice) {
  open();
  ASSERT_TRUE(append(batch(3)).has_value());
  ASSERT_TRUE(append(batch(3)).has_value());
  sync();
  const auto size = log_->size_bytes();
  log_.reset();
  for (std::uint64_t at = wire::batch_log_overhead; at < size; at += 5) {
    auto file = log_file();
    std::byte byte{};
    ASSERT_EQ(*file->read(at, {&byte, 1}), 1u);
    const std::byte flipped = byte ^ std::byte{4};
    // Base offset, length and leader epoch of the second batch are not under the CRC.
    if (at >= size / 2 && at < size / 2 + 17) continue;
    if (at < 17) continue;
    Bytes piece(&flipped, 1);
    ASSERT_TRUE(file->write(at, {&piece, 1}).has_value());
    const auto opened = PartitionLog::open(disk_, "/data/t-0", config_, false);
    ASSERT_FALSE(opened.has_value()) << at;
    EXPECT_TRUE(opened.error().is(Errc::damaged));
    EXPECT_NE(opened.error().message().find("recovery point"), std::string_view::npos);
    piece = Bytes(&byte, 1);
    ASSERT_TRUE(file->write(at, {&piece, 1}).has_value());
  }
  open();
  EXPECT_EQ(log_->end(), Offset{6});
}

TEST_F(PartitionLogTest, lost_indexes_are_rebuilt) {
  open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(append(batch(10, 200)).has_value());
  sync();
  log_.reset();
  for (const char* suffix : {".index", ".timeindex"}) {
    ASSERT_TRUE(disk_.remove("/data/t-0/" + Segment::file_name(Offset{0}, suffix)).has_value());
  }
  open(true);
  EXPECT_EQ(offsets_from(777).front(), 770);
}

TEST_F(PartitionLogTest, dirty_files_are_those_since_the_last_sync) {
  config_.segment_bytes = 2'000;
  open();
  ASSERT_TRUE(append(batch(10)).has_value());
  EXPECT_EQ(log_->dirty_files().size(), 1u);
  ASSERT_TRUE(append(batch(10)).has_value());
  ASSERT_TRUE(append(batch(10)).has_value());
  EXPECT_EQ(log_->dirty_files().size(), 3u);
  log_->synced(Offset{20});
  EXPECT_EQ(log_->synced_end(), Offset{20});
  EXPECT_EQ(log_->dirty_files().size(), 1u);
}

TEST_F(PartitionLogTest, a_failed_sync_takes_the_log_offline) {
  open();
  ASSERT_TRUE(append(batch(1)).has_value());
  log_->sync_failed(Error::storage(Errc::io_error, "the device is gone"));
  EXPECT_FALSE(append(batch(1)).has_value());
  EXPECT_FALSE(log_->read(Offset{0}, Offset{1}, 1_MiB, true).has_value());
  ASSERT_NE(log_->offline(), nullptr);
}

}  // namespace
}  // namespace dohle::log
