#include <optional>
#include <string>

#include "log_fixture.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"

// Writes of recovery wait until there is space; recovered records can be read at once.

namespace dohle::log {
namespace {

using std::chrono_literals::operator""s;

constexpr const char* directory = "/data/t-0";

class FullDisk : public testing::Test {
 protected:
  FullDisk() {
    world_.run_for(1s);
    EXPECT_TRUE(disk().make_directories("/data").has_value());
    EXPECT_TRUE(disk().sync_directory("/").has_value());
  }

  Disk& disk() { return process_.disk(); }
  void set_full(bool is_full) {
    is_full_ = is_full;
    machine_.disk().set_full(is_full);
  }
  /// Opens the log as after a kill. While the disk is full, a small file is missing, so that the
  /// recovery needs space.
  void open() {
    log_.reset();
    if (is_full_) (void)disk().remove(std::string(directory) + "/leader-epoch-checkpoint");
    OpenOptions options;
    options.last.end = LastLife::End::killed;
    options.topic_id.bytes[0] = 7;
    auto opened = PartitionLog::open(disk(), directory, config_, options);
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    log_ = std::move(opened->log);
    report_ = opened->report;
  }
  void lose_power() {
    log_.reset();
    machine_.lose_power();
    machine_.power_on();
    world_.run_for(1s);
  }
  Result<Appended> append(int records) { return append_to(*log_, make_batch(records), 1000, 0); }
  /// The first append finds that there is space, and then the files of the recovery are written.
  Result<Appended> append_again(int records) {
    const auto refused = append(records);
    EXPECT_FALSE(refused.has_value());
    EXPECT_FALSE(log_->is_recovered()) << "nothing long is done in an append";
    world_.run_for(1s);
    return append(records);
  }
  Result<void> finish_recovery() {
    std::optional<Result<void>> outcome;
    log_->finish_recovery([&](Result<void> told) { outcome = std::move(told); });
    world_.run_for(1s);
    EXPECT_TRUE(outcome.has_value());
    return outcome.value_or(Result<void>());
  }
  void sync() {
    for (const auto& file : log_->dirty_files()) ASSERT_TRUE(disk().sync_now(*file).has_value());
    log_->synced(log_->end());
    ASSERT_TRUE(log_->write_recovery_point().has_value());
  }
  std::int64_t records_read() {
    const auto chain = log_->read(log_->log_start(), log_->end(), 64_MiB, true);
    EXPECT_TRUE(chain.has_value()) << chain.error().to_string();
    return chain ? static_cast<std::int64_t>(offsets_in(*chain->flatten()).size()) : -1;
  }
  void expect_read_and_not_written(std::int64_t records) {
    EXPECT_EQ(log_->end(), Offset{records});
    EXPECT_EQ(log_->synced_end(), Offset{records});
    EXPECT_EQ(records_read(), records - log_->log_start().value);
    EXPECT_FALSE(log_->is_recovered());
    const auto refused = append(1);
    ASSERT_FALSE(refused.has_value());
    EXPECT_TRUE(refused.error().is(Errc::disk_full)) << refused.error().to_string();
    EXPECT_FALSE(log_->flush().has_value()) << "such a stop is not clean";
    EXPECT_EQ(log_->offline(), nullptr);
    EXPECT_EQ(log_->end(), Offset{records});
  }
  static std::string path(std::int64_t base, std::string_view suffix) {
    return std::string(directory) + "/" + Segment::file_name(Offset{base}, suffix);
  }
  void spoil(const std::string& path, std::uint64_t at) {
    const std::string wrong = "wrong";
    const Bytes piece = as_bytes(wrong);
    ASSERT_TRUE((*disk().open(path, OpenMode::read_write))->write(at, {&piece, 1}).has_value());
  }
  std::uint64_t bytes_of(const std::string& path) {
    return machine_.disk().contents(path).value_or("").size();
  }

  sim::World world_{1};
  sim::Machine& machine_ = world_.machine("node");
  sim::Process& process_ = machine_.start("log", [](sim::Process&) { return nullptr; });
  LogConfig config_;
  bool is_full_ = false;
  std::unique_ptr<PartitionLog> log_;
  RecoveryReport report_;
};

TEST_F(FullDisk, a_recovery_whose_small_files_are_whole_needs_no_space) {
  open();
  ASSERT_TRUE(append(3).has_value());
  sync();
  ASSERT_TRUE(append(2).has_value());
  machine_.disk().set_full(true);
  open();
  EXPECT_FALSE(report_.unwritten.has_value());
  EXPECT_TRUE(log_->is_recovered());
  EXPECT_EQ(log_->recovery_point(), Offset{5});
  lose_power();
  open();
  EXPECT_EQ(records_read(), 5);
}

TEST_F(FullDisk, a_log_is_read_at_once_and_written_to_once_there_is_space) {
  open();
  ASSERT_TRUE(append(3).has_value());
  sync();
  ASSERT_TRUE(append(2).has_value());
  set_full(true);
  for (int round = 0; round < 2; ++round) {
    open();
    ASSERT_TRUE(report_.unwritten.has_value());
    EXPECT_TRUE(report_.unwritten->is(Errc::disk_full));
    expect_read_and_not_written(5);
    const auto found = log_->offset_for(Timestamp{1001});
    ASSERT_TRUE(found.has_value() && found->has_value());
    EXPECT_EQ((*found)->offset, Offset{1});
    EXPECT_EQ(log_->epoch_end(LeaderEpoch{0})->end, Offset{5});
  }
  lose_power();
  open();
  expect_read_and_not_written(5);
  set_full(false);
  const auto appended = append_again(1);
  ASSERT_TRUE(appended.has_value()) << appended.error().to_string();
  EXPECT_EQ(appended->base_offset, Offset{5});
  EXPECT_TRUE(log_->is_recovered());
  EXPECT_EQ(log_->recovery_point(), Offset{5});
  sync();
  lose_power();
  open();
  EXPECT_EQ(records_read(), 6);
  EXPECT_TRUE(log_->is_recovered());
}

TEST_F(FullDisk, writes_of_the_recovery_are_made_on_request) {
  open();
  ASSERT_TRUE(append(3).has_value());
  set_full(true);
  open();
  EXPECT_TRUE(finish_recovery().error().is(Errc::disk_full));
  set_full(false);
  EXPECT_TRUE(finish_recovery().has_value());
  EXPECT_TRUE(log_->is_recovered());
  EXPECT_EQ(log_->recovery_point(), Offset{3});
  set_full(true);
  EXPECT_TRUE(finish_recovery().has_value()) << "there is nothing left to write";
}

TEST_F(FullDisk, prepare_writes_all_before_the_next_append) {
  open();
  ASSERT_TRUE(append(3).has_value());
  set_full(true);
  open();
  const auto prepare = [&] {
    bool is_done = false;
    log_->prepare([&] { is_done = true; });
    world_.run_for(1s);
    EXPECT_TRUE(is_done);
  };
  EXPECT_FALSE(log_->is_prepared());
  prepare();
  EXPECT_TRUE(log_->is_prepared()) << "the append tells what was met";
  EXPECT_TRUE(append(1).error().is(Errc::disk_full));
  EXPECT_FALSE(log_->is_prepared()) << "the next one finds out whether there is space by then";
  set_full(false);
  prepare();
  EXPECT_EQ(append(1)->base_offset, Offset{3});
}

TEST_F(FullDisk, a_caller_that_waits_for_a_log_is_answered_when_it_closes) {
  open();
  ASSERT_TRUE(append(3).has_value());
  sync();
  const std::uint64_t whole = log_->size_bytes();
  ASSERT_TRUE(append(4).has_value());
  spoil(path(0, ".log"), whole + 70);
  set_full(true);
  open();
  set_full(false);
  int told = 0;
  for (int i = 0; i < 2; ++i) {
    log_->finish_recovery([&](const Result<void>& outcome) { told += outcome ? 10 : 1; });
  }
  log_.reset();
  world_.run_for(1s);
  EXPECT_EQ(told, 2);
}

TEST_F(FullDisk, a_clean_stop_finishes_the_recovery) {
  open();
  ASSERT_TRUE(append(3).has_value());
  set_full(true);
  open();
  set_full(false);
  ASSERT_TRUE(log_->flush().has_value());
  EXPECT_TRUE(log_->is_recovered());
}

// Only the epochs file has the epochs of segments below the recovery point.
TEST_F(FullDisk, the_recovery_point_stays_until_all_is_written) {
  config_.segment_bytes = 2'000;
  open();
  for (std::int32_t epoch = 1; epoch <= 3; ++epoch) {
    ASSERT_TRUE(append_to(*log_, make_batch(10), 1000, epoch).has_value());
  }
  log_.reset();
  const std::string stale = "0\n1\n1 0\n";
  const Bytes piece = as_bytes(stale);
  ASSERT_TRUE(
      (*disk().open(std::string(directory) + "/leader-epoch-checkpoint", OpenMode::truncate))
          ->write(0, {&piece, 1})
          .has_value());
  set_full(true);
  open();
  log_->checkpoint();
  world_.run_for(1s);
  EXPECT_EQ(log_->recovery_point(), Offset{0});
  for (const bool is_full : {true, false}) {
    set_full(is_full);
    open();
    EXPECT_EQ(log_->epoch_end(LeaderEpoch{1})->end, Offset{10}) << is_full;
    EXPECT_EQ(log_->epoch_end(LeaderEpoch{2})->end, Offset{20}) << is_full;
  }
  EXPECT_EQ(log_->recovery_point(), Offset{30});
}

TEST_F(FullDisk, a_torn_tail_is_kept_once_there_is_space_for_it) {
  for (const bool loses_power : {false, true}) {
    ASSERT_TRUE(disk().remove_all(directory).has_value());
    open();
    ASSERT_TRUE(append(3).has_value());
    sync();
    const std::uint64_t whole = log_->size_bytes();
    ASSERT_TRUE(append(4).has_value());
    const std::uint64_t torn = log_->size_bytes() - whole - 1;  // a batch ends in a zero
    spoil(path(0, ".log"), whole + 70);
    set_full(true);
    open();
    expect_read_and_not_written(3);
    EXPECT_EQ(report_.cut_from, Offset{3});
    EXPECT_EQ(report_.cut_to, Offset{7});
    EXPECT_EQ(report_.cut_bytes, torn);
    EXPECT_FALSE(disk().exists(path(0, ".cut-3")) && bytes_of(path(0, ".cut-3")) > 0);
    EXPECT_GE(bytes_of(path(0, ".log")), whole + torn) << "nothing else keeps these bytes";
    if (loses_power) {
      lose_power();
      open();
      expect_read_and_not_written(3);
    }
    set_full(false);
    ASSERT_TRUE(append_again(1).has_value());
    EXPECT_EQ(bytes_of(path(0, ".cut-3")), torn);
    sync();
    lose_power();
    open();
    EXPECT_EQ(log_->end(), Offset{4});
    EXPECT_EQ(records_read(), 4);
  }
}

TEST_F(FullDisk, segments_behind_a_cut_are_set_aside_once_there_is_space) {
  config_.segment_bytes = 2'000;
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(10).has_value());
  ASSERT_EQ(log_->segment_count(), 3u);
  spoil(path(10, ".log"), 500);
  set_full(true);
  open();
  expect_read_and_not_written(10);
  EXPECT_EQ(report_.cut_to, Offset{30});
  EXPECT_TRUE(disk().exists(path(20, ".log")));
  open();
  expect_read_and_not_written(10);
  set_full(false);
  EXPECT_EQ(append_again(1)->base_offset, Offset{10});
  EXPECT_FALSE(disk().exists(path(20, ".log")));
  EXPECT_TRUE(disk().exists(path(20, ".log.cut")));
  open();
  EXPECT_EQ(records_read(), 11);
  EXPECT_EQ(report_.cut_bytes, 0u);
}

TEST_F(FullDisk, a_log_without_its_beginning_refuses_and_changes_nothing) {
  config_.segment_bytes = 2'000;
  open();
  ASSERT_TRUE(log_->write_recovery_point().has_value());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(append(10).has_value());
  log_.reset();
  ASSERT_TRUE(disk().remove(path(0, ".log")).has_value());
  set_full(true);
  const auto opened = PartitionLog::open(disk(), directory, config_, OpenOptions{});
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().is(Errc::damaged)) << opened.error().to_string();
  EXPECT_GT(bytes_of(path(10, ".log")), 0u);
}

TEST_F(FullDisk, retention_frees_space_before_the_first_write) {
  config_.segment_bytes = 2'000;
  config_.retention_bytes = 3'000;
  open();
  ASSERT_TRUE(log_->write_recovery_point().has_value());
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(append(10).has_value());
  set_full(true);
  open();
  ASSERT_FALSE(log_->is_recovered());
  const auto gone = log_->retain({TimePoint{}, Timestamp{1000}});
  ASSERT_TRUE(gone.has_value()) << gone.error().to_string();
  EXPECT_GT(*gone, 3u);
  world_.run_for(1s);
  EXPECT_FALSE(disk().exists(path(0, ".log")));
  const Offset begin = log_->log_start();
  EXPECT_GT(begin, Offset{30});
  expect_read_and_not_written(70);
  lose_power();
  open();
  EXPECT_EQ(log_->log_start(), begin);
  EXPECT_GE(log_->recovery_point(), begin);
  EXPECT_EQ(log_->end(), Offset{70});
  set_full(false);
  ASSERT_TRUE(append_again(1).has_value());
  open();
  EXPECT_EQ(records_read(), 71 - begin.value);
}

TEST_F(FullDisk, retention_of_all_records_waits_for_the_space_of_a_new_segment) {
  config_.retention_ms = 10;
  open();
  ASSERT_TRUE(append(3).has_value());
  set_full(true);
  open();
  const Now late{TimePoint{}, Timestamp{1'000'000}};
  const auto kept = log_->retain(late);
  ASSERT_FALSE(kept.has_value());
  EXPECT_TRUE(kept.error().is(Errc::disk_full));
  EXPECT_EQ(records_read(), 3);
  set_full(false);
  EXPECT_FALSE(log_->retain(late).has_value());
  world_.run_for(1s);
  EXPECT_EQ(log_->retain(late).value_or(0), 1u);
  EXPECT_EQ(log_->log_start(), Offset{3});
}

TEST_F(FullDisk, a_snapshot_of_many_producers_is_written_once_there_is_space) {
  constexpr std::int64_t producers = 5'000;
  const auto append_by = [&](std::int64_t id, std::int32_t sequence) {
    return append_to(*log_, make_batch(1, 100, 1000, {id, 0, sequence}), 1000, 0);
  };
  config_.segment_bytes =
      static_cast<std::int32_t>(make_batch(1, 100, 1000, {0, 0, 0}).size() * producers);
  config_.retention_bytes = 1;
  open();
  for (std::int64_t id = 0; id < producers; ++id) ASSERT_TRUE(append_by(id, 0).has_value());
  ASSERT_TRUE(append_by(0, 1).has_value());
  ASSERT_EQ(log_->segment_count(), 2u);
  set_full(true);
  world_.run_for(1s);
  EXPECT_FALSE(disk().exists(path(producers, ".snapshot")));
  log_->synced(log_->end());
  const Now now{TimePoint{}, Timestamp{2000}};
  EXPECT_EQ(log_->retain(now).value_or(99), 1u) << "retention may be what frees space";
  world_.run_for(1s);
  set_full(false);
  EXPECT_EQ(log_->retain(now).value_or(99), 0u);
  world_.run_for(1s);
  EXPECT_EQ(bytes_of(path(producers + 1, ".snapshot")), 10u + 46u * producers);
}

TEST_F(FullDisk, retention_of_all_records_begins_with_segments_that_need_no_new_one) {
  config_.segment_bytes = 2'000;
  config_.retention_ms = 10;
  open();
  ASSERT_TRUE(log_->write_recovery_point().has_value());
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(append(10).has_value());
  const std::size_t segments = log_->segment_count();
  ASSERT_GT(segments, 2u);
  sync();
  set_full(true);
  const Now late{TimePoint{}, Timestamp{1'000'000}};
  EXPECT_EQ(log_->retain(late).value_or(0), segments - 1);
  EXPECT_EQ(log_->segment_count(), 1u);
  const auto kept = log_->retain(late);
  ASSERT_FALSE(kept.has_value());
  EXPECT_TRUE(kept.error().is(Errc::disk_full));
  set_full(false);
  EXPECT_EQ(log_->retain(late).value_or(0), 1u);
  EXPECT_EQ(log_->log_start(), log_->end());
}

TEST_F(FullDisk, a_new_log_reports_that_it_cannot_be_written) {
  set_full(true);
  open();
  ASSERT_TRUE(report_.unwritten.has_value());
  EXPECT_FALSE(append(1).has_value());
  set_full(false);
  EXPECT_EQ(append(1)->base_offset, Offset{0});
  sync();
  lose_power();
  open();
  EXPECT_EQ(records_read(), 1);
}

TEST_F(FullDisk, indexes_are_served_from_memory_until_there_is_space_for_them) {
  config_.index_interval_bytes = 100;
  open();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(append_to(*log_, make_batch(4, 200, 1000 + 10 * i), 1000, 0).has_value());
  }
  ASSERT_TRUE(log_->flush().has_value());
  sync();
  log_.reset();
  for (const std::string_view suffix : {".index", ".timeindex"}) {
    ASSERT_TRUE(disk().remove(path(0, suffix)).has_value());
  }
  set_full(true);
  OpenOptions options;
  options.last.end = LastLife::End::clean_old;
  options.topic_id.bytes[0] = 7;
  auto opened = PartitionLog::open(disk(), directory, config_, options);
  ASSERT_TRUE(opened.has_value());
  log_ = std::move(opened->log);
  EXPECT_EQ(records_read(), 200);
  EXPECT_EQ(log_->offset_for(Timestamp{1302})->value().offset, Offset{122});
  EXPECT_EQ(bytes_of(path(0, ".index")), 0u);
  set_full(false);
  ASSERT_TRUE(log_->flush().has_value());
  EXPECT_GT(bytes_of(path(0, ".index")), 0u);
}

TEST_F(FullDisk, files_lost_in_a_crash_are_created_again_once_there_is_space) {
  open();
  ASSERT_TRUE(append(3).has_value());
  sync();
  log_.reset();
  const std::string epochs = std::string(directory) + "/leader-epoch-checkpoint";
  const std::string metadata = std::string(directory) + "/partition.metadata";
  ASSERT_TRUE(disk().remove(epochs).has_value());
  ASSERT_TRUE(disk().remove(metadata).has_value());
  set_full(true);
  open();
  expect_read_and_not_written(3);
  set_full(false);
  ASSERT_TRUE(finish_recovery().has_value());
  EXPECT_GT(bytes_of(epochs), 0u);
  EXPECT_GT(bytes_of(metadata), 0u);
}

TEST_F(FullDisk, a_sync_that_fails_when_there_is_space_takes_the_log_offline) {
  open();
  ASSERT_TRUE(append(3).has_value());
  set_full(true);
  open();
  set_full(false);
  machine_.disk().fail_syncs("leader-epoch-checkpoint", 1);
  EXPECT_FALSE(append_again(1).has_value());
  EXPECT_NE(log_->offline(), nullptr);
  EXPECT_FALSE(append(1).has_value());
  open();
  EXPECT_EQ(records_read(), 3);
}

}  // namespace
}  // namespace dohle::log
