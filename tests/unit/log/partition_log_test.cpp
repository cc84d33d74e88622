#include <algorithm>
#include <string>

#include "base/broker_errors.hpp"
#include "disk/file_disk.hpp"
#include "log_fixture.hpp"
#include "scratch_directory.hpp"

namespace dohle::log {
namespace {

using PartitionLogTest = LogTest;

TEST_F(PartitionLogTest, offsets_increase_and_survive_a_restart) {
  open();
  EXPECT_EQ(append(make_batch(3))->base_offset, Offset{0});
  EXPECT_EQ(append(make_batch(2))->base_offset, Offset{3});
  EXPECT_EQ(log_->end(), Offset{5});
  EXPECT_EQ(offsets_from(0), (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
  open();
  EXPECT_EQ(log_->end(), Offset{5});
  EXPECT_EQ(report_.cut_bytes, 0u);
  EXPECT_EQ(offsets_from(3), (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(append(make_batch(1))->base_offset, Offset{5});
}

TEST_F(PartitionLogTest, a_read_begins_with_the_batch_that_holds_the_offset) {
  open();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(make_batch(10, 200)).has_value());
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
  const std::size_t size = make_batch(10).size();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(make_batch(10)).has_value());
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

TEST_F(PartitionLogTest, a_log_without_records_has_no_index_files) {
  const auto has_indexes = [&] {
    EXPECT_EQ(disk_.exists(path(0, ".index")), disk_.exists(path(0, ".timeindex")));
    return disk_.exists(path(0, ".index"));
  };
  const auto syncs_names = [&] {
    const auto files = log_->dirty_files();
    return std::ranges::any_of(files, [](const auto& file) { return file->path() == directory; });
  };
  open();
  stop();
  EXPECT_FALSE(has_indexes());
  open(true);
  ASSERT_TRUE(append(make_batch(1)).has_value());
  sync();
  EXPECT_FALSE(syncs_names());
  ASSERT_TRUE(log_->flush().has_value());
  EXPECT_TRUE(has_indexes());
  EXPECT_TRUE(syncs_names()) << "the files' names are synced with them";
  sync();
  EXPECT_FALSE(syncs_names());
  open(true);
  EXPECT_EQ(log_->offset_for(Timestamp{1000})->value().offset, Offset{0});
}

TEST_F(PartitionLogTest, segments_roll_by_size_and_are_read_across) {
  config_.segment_bytes = 5'000;
  open();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(append(make_batch(5)).has_value());
  EXPECT_GT(log_->segment_count(), 4u);
  EXPECT_EQ(offsets_from(0).size(), 200u);
  open();
  EXPECT_EQ(offsets_from(0).size(), 200u);
  EXPECT_EQ(log_->end(), Offset{200});
}

TEST_F(PartitionLogTest, segments_roll_by_age) {
  open();
  ASSERT_TRUE(append(make_batch(1), 1000).has_value());
  ASSERT_TRUE(append(make_batch(1), 1000 + config_.max_segment_age.count()).has_value());
  EXPECT_EQ(log_->segment_count(), 1u);
  ASSERT_TRUE(append(make_batch(1), 1001 + config_.max_segment_age.count()).has_value());
  EXPECT_EQ(log_->segment_count(), 2u);
}

TEST_F(PartitionLogTest, retention_by_size_drops_the_oldest_segments) {
  config_.segment_bytes = 5'000;
  config_.retention_bytes = 10'000;
  open();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(append(make_batch(5)).has_value());
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

TEST(PartitionLogOnFiles, retention_uses_the_files_time_for_records_with_a_time_in_the_future) {
  const ScratchDirectory scratch;
  ManualLoop loop;
  disk::FileDisk disk(loop);
  LogConfig config;
  config.retention_ms = 3'600'000;
  auto opened = PartitionLog::open(disk, scratch / "t-0", config, OpenOptions{});
  ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
  PartitionLog& log = *opened->log;
  ASSERT_TRUE(append_to(log, make_batch(1, 10, INT64_MAX - 1)).has_value());
  log.synced(log.end());
  const Now now{TimePoint{}, to_timestamp(std::chrono::system_clock::now())};
  EXPECT_EQ(log.retain(now).value_or(9), 0u) << "it was written just now";
  const Now later{TimePoint{}, Timestamp{now.wall.value + 2 * config.retention_ms}};
  EXPECT_EQ(log.retain(later).value_or(9), 1u);
}

TEST_F(PartitionLogTest, retention_by_time_empties_the_log_and_keeps_its_end) {
  config_.retention_ms = 1000;
  open();
  ASSERT_TRUE(append(make_batch(3, 10, 5000)).has_value());
  sync();
  EXPECT_EQ(*log_->retain({TimePoint{}, Timestamp{6002}}), 0u);
  EXPECT_EQ(*log_->retain({TimePoint{}, Timestamp{6003}}), 1u);
  EXPECT_EQ(log_->log_start(), Offset{3});
  EXPECT_EQ(log_->size_bytes(), 0u);
  open();
  EXPECT_EQ(log_->end(), Offset{3});
  EXPECT_EQ(append(make_batch(1))->base_offset, Offset{3});
}

TEST_F(PartitionLogTest, a_duplicate_gets_its_first_offset_also_after_a_restart) {
  open();
  const Slice bytes = make_batch(3, 10, 1, {9, 0, 0});
  ASSERT_TRUE(append(make_batch(4)).has_value());
  EXPECT_EQ(append(bytes)->base_offset, Offset{4});
  for (int round = 0; round < 2; ++round) {
    const auto again = append(bytes);
    EXPECT_TRUE(again->is_duplicate);
    EXPECT_EQ(again->base_offset, Offset{4});
    EXPECT_EQ(log_->end(), Offset{7});
    open();
  }
  const auto gap = append(make_batch(1, 10, 1, {9, 0, 4}));
  ASSERT_FALSE(gap.has_value());
  EXPECT_TRUE(gap.error().is_broker(broker_error::out_of_order_sequence_number));
}

TEST_F(PartitionLogTest, a_batch_above_max_message_bytes_is_refused) {
  config_.max_message_bytes = 500;
  open();
  const auto refused = append(make_batch(1, 1000));
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is_broker(broker_error::message_too_large));
}

TEST_F(PartitionLogTest, a_batch_that_a_disk_thread_writes_is_appended_like_any_other) {
  open();
  ASSERT_TRUE(append(make_batch(2)).has_value());
  sync();
  std::optional<Result<Appended>> outcome;
  append_beside(make_batch(3, 10, 1, {9, 0, 0}), outcome);
  bool is_prepared = false;
  EXPECT_FALSE(log_->is_prepared());
  log_->prepare([&] { is_prepared = true; });
  EXPECT_FALSE(outcome.has_value());
  EXPECT_EQ(log_->end(), Offset{2});
  EXPECT_TRUE(log_->flush().error().is(Errc::closed)) << "no clean stop meanwhile";
  EXPECT_EQ(*log_->retain({TimePoint{}, Timestamp{INT64_MAX}}), 0u);
  loop_.run();
  ASSERT_TRUE(outcome && *outcome);
  EXPECT_EQ((*outcome)->base_offset, Offset{2});
  EXPECT_TRUE(is_prepared);
  EXPECT_TRUE(log_->is_prepared());
  append_beside(make_batch(3, 10, 1, {9, 0, 0}), outcome);
  ASSERT_TRUE(outcome && *outcome);
  EXPECT_TRUE((*outcome)->is_duplicate) << "nothing is written";
  EXPECT_EQ(append(make_batch(1))->base_offset, Offset{5});
  open();
  EXPECT_EQ(offsets_from(0).size(), 6u);
}

TEST_F(PartitionLogTest, destroying_a_log_while_a_batch_is_written_answers_the_caller) {
  open();
  std::optional<Result<Appended>> outcome;
  append_beside(make_batch(3), outcome);
  bool is_told = false;
  log_->prepare([&] { is_told = true; });
  log_.reset();
  loop_.run();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(outcome->error().is(Errc::closed));
  EXPECT_TRUE(is_told);
}

TEST_F(PartitionLogTest, log_append_time_is_stamped_and_answered) {
  config_.timestamp_type = TimestampType::log_append_time;
  open();
  EXPECT_EQ(append(make_batch(2, 10, 5), 777)->append_time, Timestamp{777});
  EXPECT_EQ(log_->offset_for(Timestamp{777})->value().offset, Offset{0});
  EXPECT_FALSE(log_->offset_for(Timestamp{778})->has_value());
}

TEST_F(PartitionLogTest, offsets_are_found_by_time) {
  config_.segment_bytes = 20'000;
  open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(append(make_batch(10, 100, 1000 + 10 * i)).has_value());
  for (std::int64_t time = 990; time < 2000; time += 13) {
    const auto found = log_->offset_for(Timestamp{time});
    ASSERT_TRUE(found.has_value() && found->has_value()) << time;
    EXPECT_EQ((*found)->offset, Offset{std::max<std::int64_t>(0, time - 1000)});
  }
  EXPECT_FALSE(log_->offset_for(Timestamp{2000})->has_value());
  EXPECT_EQ(log_->max_timestamp()->value().offset, Offset{999});
}

TEST_F(PartitionLogTest, a_failed_sync_takes_the_log_offline) {
  open();
  ASSERT_TRUE(append(make_batch(1)).has_value());
  log_->sync_failed(Error::storage(Errc::io_error, "the device is gone"));
  EXPECT_FALSE(append(make_batch(1)).has_value());
  EXPECT_FALSE(log_->read(Offset{0}, Offset{1}, 1_MiB, true).has_value());
  ASSERT_NE(log_->offline(), nullptr);
}

TEST_F(PartitionLogTest, dirty_files_are_those_written_since_the_last_sync) {
  config_.segment_bytes = 2'000;
  open();
  ASSERT_TRUE(append(make_batch(10)).has_value());
  const auto logs = [](const auto& files) {
    return std::ranges::count_if(files,
                                 [](const auto& file) { return file->path().ends_with(".log"); });
  };
  EXPECT_EQ(logs(log_->dirty_files()), 1);
  ASSERT_TRUE(append(make_batch(10)).has_value());
  ASSERT_TRUE(append(make_batch(10)).has_value());
  EXPECT_EQ(logs(log_->dirty_files()), 3);
  log_->synced(Offset{20});
  EXPECT_EQ(log_->synced_end(), Offset{20});
  // The last one, and the one before it, which was truncated after its end had been stored.
  EXPECT_EQ(logs(log_->dirty_files()), 2);
  log_->synced(Offset{30});
  EXPECT_EQ(logs(log_->dirty_files()), 0);
}

TEST_F(PartitionLogTest, consumers_see_only_synced_records) {
  open();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  EXPECT_EQ(log_->high_watermark(), Offset{0});
  (void)log_->dirty_files();
  ASSERT_TRUE(append(make_batch(2)).has_value());
  log_->synced(Offset{3});
  EXPECT_EQ(log_->high_watermark(), Offset{3});
  const auto fetched = log_->fetch(Offset{0}, log_->high_watermark(), 1_MiB, true);
  EXPECT_EQ(offsets_in(*fetched->bytes.flatten()), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(fetched->next, Offset{3});
}

TEST_F(PartitionLogTest, successive_fetches_lose_and_repeat_no_record) {
  config_.segment_bytes = 20'000;
  open();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(append(make_batch(1 + i % 7)).has_value());
  for (const std::size_t max_bytes : {1u, 700u, 3'000u, 50'000u}) {
    std::vector<std::int64_t> all;
    for (Offset at{0}; at < log_->end();) {
      const auto fetched = log_->fetch(at, log_->end(), max_bytes, true);
      ASSERT_TRUE(fetched.has_value());
      const auto offsets = offsets_in(*fetched->bytes.flatten());
      ASSERT_FALSE(offsets.empty());
      EXPECT_EQ(fetched->next.value, offsets.back() + 1);
      all.insert(all.end(), offsets.begin(), offsets.end());
      at = fetched->next;
    }
    ASSERT_EQ(all.size(), static_cast<std::size_t>(log_->end().value));
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], static_cast<std::int64_t>(i));
  }
}

TEST_F(PartitionLogTest, a_fetch_of_the_newest_batch_alone_returns_the_kept_bytes) {
  open();
  ASSERT_TRUE(append(make_batch(2)).has_value());
  const Slice batch = make_batch(3);
  StoredBatch newest;
  ASSERT_TRUE(log_->append(batch, *wire::validate_produced_batch(batch), LeaderEpoch{7},
                           {TimePoint{}, Timestamp{1000}}, &newest));
  EXPECT_EQ(newest.from, Offset{2});
  EXPECT_EQ(newest.to, Offset{5});
  const auto is_kept = [&](std::int64_t from, std::int64_t limit, std::size_t max_bytes,
                           bool at_least_one) {
    const auto fetched = log_->fetch(Offset{from}, Offset{limit}, max_bytes, at_least_one, &newest);
    const auto as_stored = log_->fetch(Offset{from}, Offset{limit}, max_bytes, at_least_one);
    EXPECT_EQ(fetched->next, as_stored->next);
    EXPECT_EQ(fetched->bytes.flatten()->text(), as_stored->bytes.flatten()->text());
    return !fetched->bytes.empty() &&
           std::holds_alternative<Slice>(fetched->bytes.pieces().front());
  };
  EXPECT_TRUE(is_kept(2, 5, 1_MiB, false));
  EXPECT_TRUE(is_kept(2, 9, newest.bytes.size(), false));
  EXPECT_TRUE(is_kept(2, 5, 1, true));
  EXPECT_FALSE(is_kept(2, 5, 1, false)) << "it is larger than what is wanted";
  EXPECT_FALSE(is_kept(0, 5, 1_MiB, true)) << "the batch before it is wanted, too";
  EXPECT_FALSE(is_kept(3, 5, 1_MiB, true));
  EXPECT_FALSE(is_kept(2, 2, 1_MiB, true)) << "it is not visible";
  ASSERT_TRUE(append(make_batch(1)).has_value());
  EXPECT_FALSE(is_kept(2, 6, 1_MiB, true)) << "it is no longer the newest";
  EXPECT_FALSE(is_kept(2, 5, 1_MiB, true));
}

TEST_F(PartitionLogTest, a_full_disk_refuses_appends_serves_reads_and_recovers) {
  disk::MemoryDisk small(loop_, {.max_bytes = 160_KiB});
  config_.segment_bytes = 10'000;
  auto opened = PartitionLog::open(small, directory, config_, OpenOptions{});
  ASSERT_TRUE(opened.has_value());
  PartitionLog& log = *opened->log;
  Result<Appended> last;
  while ((last = append_to(log, make_batch(10, 200)))) {
  }
  EXPECT_TRUE(last.error().is(Errc::disk_full)) << last.error().to_string();
  EXPECT_EQ(log.offline(), nullptr);
  const Offset end = log.end();
  EXPECT_GT(log.segment_count(), 3u);
  const auto all = log.read(Offset{0}, end, 1_MiB, true);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(offsets_in(*all->flatten()).size(), static_cast<std::size_t>(end.value));
  (void)log.dirty_files();
  log.synced(end);
  ASSERT_TRUE(log.set_log_start(Offset{end.value / 2}).has_value());
  loop_.run();
  files_.reset();
  EXPECT_EQ(append_to(log, make_batch(10, 200))->base_offset, end);
}

TEST_F(PartitionLogTest, files_of_retired_segments_are_removed_once_the_new_start_is_durable) {
  config_.segment_bytes = 2'000;
  open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(make_batch(10)).has_value());
  sync();
  ASSERT_TRUE(log_->set_log_start(Offset{35}).has_value());
  EXPECT_EQ(log_->segment_count(), 2u);
  EXPECT_TRUE(disk_.exists(path(0, ".log")));
  loop_.run();
  const auto entries = *disk_.list(directory);
  for (const auto& entry : entries) {
    EXPECT_FALSE(entry.name.starts_with("00000000000000000000.")) << entry.name;
    EXPECT_FALSE(entry.name.ends_with(".deleted")) << entry.name;
  }
  open();
  EXPECT_EQ(log_->log_start(), Offset{35});
  EXPECT_FALSE(log_->fetch(Offset{34}, log_->end(), 1_MiB, true).has_value());
}

TEST_F(PartitionLogTest, no_more_files_stay_open_than_the_cache_allows) {
  files_ = std::make_shared<FileCache>(6);
  config_.segment_bytes = 2'000;
  open();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(append(make_batch(10)).has_value());
  sync();
  EXPECT_EQ(offsets_from(0).size(), 300u);
  EXPECT_LE(files_->open_count(), 6u);
}

TEST_F(PartitionLogTest, a_checkpoint_moves_the_recovery_point_once_it_is_durable) {
  open();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  (void)log_->dirty_files();
  log_->synced(log_->end());
  log_->checkpoint();
  EXPECT_EQ(log_->recovery_point(), Offset{0});
  loop_.run();
  EXPECT_EQ(log_->recovery_point(), Offset{3});
}

TEST_F(PartitionLogTest, an_idle_log_is_small) {
  open();
  EXPECT_LT(sizeof(PartitionLog) + sizeof(Segment), 4'096u);
}

// Space that a segment was extended by is released before its last index entries are written.
class FullMemory : public testing::Test {
 protected:
  FullMemory() {
    config_.retention_ms = 10;
    log_ = std::move(PartitionLog::open(disk_, "/data/t-0", config_, OpenOptions{})->log);
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(append_to(*log_, make_batch(1, 2'000)).has_value());
    log_->synced(log_->end());
    for (bool is_room = true; is_room;) {
      ballast_.push_back(
          *disk_.open("/ballast-" + std::to_string(ballast_.size()), OpenMode::create));
      is_room = ballast_.back()->reserve(4_KiB).has_value();
    }
  }
  ManualLoop loop_;
  disk::MemoryDisk disk_{loop_, {.max_bytes = 1_MiB}};
  LogConfig config_;
  std::unique_ptr<PartitionLog> log_;
  std::vector<std::shared_ptr<File>> ballast_;
};

TEST_F(FullMemory, does_not_keep_a_log_from_a_clean_stop) {
  EXPECT_TRUE(log_->flush().has_value());
}

TEST_F(FullMemory, is_freed_by_retention_even_if_only_the_last_segment_exists) {
  EXPECT_TRUE(append_to(*log_, make_batch(1, 400'000)).error().is(Errc::disk_full));
  const auto gone = log_->retain({TimePoint{}, Timestamp{1'000'000}});
  ASSERT_TRUE(gone.has_value()) << gone.error().to_string();
  EXPECT_EQ(*gone, 1u);
  loop_.run();
  const auto appended = append_to(*log_, make_batch(1, 200'000));
  ASSERT_TRUE(appended.has_value()) << appended.error().to_string();
  EXPECT_EQ(appended->base_offset, Offset{100});
}

}  // namespace
}  // namespace dohle::log
