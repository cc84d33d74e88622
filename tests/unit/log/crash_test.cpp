#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "log/group_opening.hpp"
#include "log_fixture.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"

namespace dohle::log {
namespace {

using std::chrono_literals::operator""s;

/// Cuts the power at the operation with a given number, counted over all changes of the disk.
class Fuse {
 public:
  explicit Fuse(std::uint64_t at) : left_(at) {}
  /// False if this operation, and each later one, does not happen.
  [[nodiscard]] bool holds() {
    ++used_;
    if (left_ == 0) return false;
    --left_;
    return true;
  }
  [[nodiscard]] std::uint64_t used() const { return used_; }
  [[nodiscard]] static Error blown() { return Error::storage(Errc::io_error, "the power is off"); }

 private:
  std::uint64_t left_;
  std::uint64_t used_ = 0;
};

class FusedFile final : public File {
 public:
  FusedFile(std::shared_ptr<File> file, Fuse& fuse) : file_(std::move(file)), fuse_(fuse) {}
  [[nodiscard]] const std::string& path() const override { return file_->path(); }
  [[nodiscard]] FileIdentity identity() const override { return file_->identity(); }
  [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
    return file_->read(offset, into);
  }
  Result<void> write(std::uint64_t offset, std::span<const Bytes> pieces) override {
    if (!fuse_.holds()) return fail(Fuse::blown());
    return file_->write(offset, pieces);
  }
  Result<void> reserve(std::uint64_t end) override {
    if (!fuse_.holds()) return fail(Fuse::blown());
    return file_->reserve(end);
  }
  Result<void> extend(std::uint64_t end) override {
    if (!fuse_.holds()) return fail(Fuse::blown());
    return file_->extend(end);
  }
  Result<void> truncate(std::uint64_t size) override {
    if (!fuse_.holds()) return fail(Fuse::blown());
    return file_->truncate(size);
  }
  [[nodiscard]] File& inner() const { return *file_; }

 private:
  std::shared_ptr<File> file_;
  Fuse& fuse_;
};

/// Syncs in the calling turn, so that the operations before the fuse are the same in each run.
class FusedDisk final : public Disk {
 public:
  FusedDisk(Disk& disk, Fuse& fuse) : disk_(disk), fuse_(fuse) {}

  Result<std::shared_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const bool changes = mode == OpenMode::truncate || mode == OpenMode::create;
    if (changes && !fuse_.holds()) return fail(Fuse::blown());
    auto file = disk_.open(path, mode);
    if (!file) return file;
    return std::shared_ptr<File>(std::make_shared<FusedFile>(*std::move(file), fuse_));
  }
  [[nodiscard]] bool exists(const std::string& path) const override { return disk_.exists(path); }
  Result<void> make_directories(const std::string& path) override {
    if (!fuse_.holds()) return fail(Fuse::blown());
    return disk_.make_directories(path);
  }
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(const std::string& path) const override {
    return disk_.list(path);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    if (!fuse_.holds()) return fail(Fuse::blown());
    return disk_.rename(from, to);
  }
  Result<void> remove(const std::string& path) override {
    if (!fuse_.holds()) return fail(Fuse::blown());
    return disk_.remove(path);
  }
  Result<void> remove_all(const std::string& path) override {
    if (!fuse_.holds()) return fail(Fuse::blown());
    return disk_.remove_all(path);
  }
  Result<void> sync_directory(const std::string& path) override {
    ++blocking_syncs_;
    if (!fuse_.holds()) return fail(Fuse::blown());
    return disk_.sync_directory(path);
  }
  [[nodiscard]] std::shared_ptr<File> names_in(const std::string& path) const override {
    return std::make_shared<FusedFile>(disk_.names_in(path), fuse_);
  }
  [[nodiscard]] Result<std::optional<FileIdentity>> identity_of(
      const std::string& path) const override {
    return disk_.identity_of(path);
  }
  Result<void> sync_now(File& file) override {
    ++blocking_syncs_;
    return sync_one(file);
  }
  /// The files of a group reach the medium in no certain order: here in turns from front and back.
  Result<void> sync_all_now(std::span<const std::shared_ptr<File>> files) override {
    std::vector<std::shared_ptr<File>> ordered(files.begin(), files.end());
    if (++group_syncs_ % 2 == 0) std::ranges::reverse(ordered);
    return Disk::sync_all_now(ordered);
  }
  [[nodiscard]] unsigned group_syncs() const { return group_syncs_; }
  /// Number of syncs that would have blocked the calling thread.
  [[nodiscard]] unsigned blocking_syncs() const { return blocking_syncs_; }
  void sync(std::vector<std::shared_ptr<File>> files, Synced done) override {
    Result<void> outcome;
    for (const auto& file : files) {
      if (outcome) outcome = sync_one(*file);
    }
    done(std::move(outcome));
  }
  void run(Task job, Task done) override {
    job();
    done();
  }
  Result<DirectoryLock> lock(const std::string& directory) override {
    return disk_.lock(directory);
  }
  [[nodiscard]] std::string boot() const override { return disk_.boot(); }

 private:
  Result<void> sync_one(File& file) {
    if (!fuse_.holds()) return fail(Fuse::blown());
    return disk_.sync_now(static_cast<FusedFile&>(file).inner());
  }

  Disk& disk_;
  Fuse& fuse_;
  unsigned blocking_syncs_ = 0;
  unsigned group_syncs_ = 0;
};

/// Records sent by a client, and promises given to it.
struct Promise {
  std::int64_t acknowledged = 0;  // all offsets below it were synced
  std::int64_t sent = 0;
  std::int64_t start = 0;
};

constexpr const char* directory = "/data/t-0";
constexpr std::size_t logs_in_group = 3;

std::string directory_of(std::size_t log) {
  return "/data/t-" + std::to_string(log);
}

LogConfig small_segments() {
  LogConfig config;
  config.segment_bytes = 1'500;
  config.retention_bytes = 4'000;
  return config;
}

/// On the owner's thread, or on a disk thread, which a FusedDisk runs within the call.
bool append_somehow(PartitionLog& log, const Slice& batch, bool is_beside, std::int32_t epoch) {
  if (!is_beside) return append_to(log, batch, 1000, epoch).has_value();
  bool is_appended = false;
  log.append_beside(batch, *wire::validate_produced_batch(batch), LeaderEpoch{epoch},
                    {TimePoint{}, Timestamp{1000}},
                    [&](const Result<Appended>& outcome) { is_appended = outcome.has_value(); });
  return is_appended;
}

// Appends, syncs every second batch, checkpoints and retires old segments until an operation fails.
void work(Disk& disk, Promise& promise, const std::string& directory = directory_of(0)) {
  auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
  if (!opened) return;
  PartitionLog& log = *opened->log;
  std::int32_t sequence = 0;
  for (int i = 0; i < 24; ++i) {
    const int count = 1 + i % 4;
    promise.sent = log.end().value + count;
    const Slice batch = make_batch(count, 60, 1000, {5, 0, sequence});
    if (!append_somehow(log, batch, i % 3 == 1, i / 10)) return;
    sequence += count;
    if (i % 2 == 0) continue;
    const Offset covered = log.end();
    Result<void> outcome;
    disk.sync(log.dirty_files(), [&](Result<void> result) { outcome = std::move(result); });
    if (!outcome) return;
    log.synced(covered);
    promise.acknowledged = covered.value;
    if (i % 6 == 5) log.checkpoint();
    if (i % 8 == 7) {
      promise.start = std::max(promise.start, log.log_start().value);
      if (!log.retain({TimePoint{}, Timestamp{1000}})) return;
    }
    if (log.offline() != nullptr) return;
  }
}

// A restart finds a whole, ordered prefix of the sent records, with all acknowledged ones.
void verify(Result<PartitionLog::Opened> opened, const Promise& promise, std::uint64_t at) {
  ASSERT_TRUE(opened.has_value()) << "power cut at " << at << ": " << opened.error().to_string();
  PartitionLog& log = *opened->log;
  EXPECT_GE(log.end().value, promise.acknowledged) << "power cut at " << at;
  EXPECT_LE(log.end().value, promise.sent) << "power cut at " << at;
  EXPECT_EQ(log.synced_end(), log.end());
  const auto all = log.read(log.log_start(), log.end(), 64_MiB, true);
  ASSERT_TRUE(all.has_value()) << "power cut at " << at << ": " << all.error().to_string();
  const auto bytes = all->flatten();
  ASSERT_TRUE(bytes.has_value());
  std::int64_t next = -1;
  for (const std::int64_t offset : offsets_in(*bytes)) {
    if (next >= 0) {
      ASSERT_EQ(offset, next) << "power cut at " << at;
    }
    next = offset + 1;
  }
  if (next >= 0) {
    EXPECT_EQ(next, log.end().value) << "power cut at " << at;
  }
  const Offset end = log.end();
  EXPECT_EQ(append_to(log, make_batch(1, 10))->base_offset, end);
}

void verify(Disk& disk, const Promise& promise, std::uint64_t at) {
  verify(PartitionLog::open(disk, directory, small_segments(), OpenOptions{}), promise, at);
}

/// Opens the logs of a group together.
std::vector<Result<PartitionLog::Opened>> open_group(Disk& disk, std::size_t max_files) {
  std::map<std::size_t, Result<PartitionLog::Opened>> by_log;
  GroupOpening opening(disk, max_files);
  for (std::size_t i = 0; i < logs_in_group; ++i) {
    opening.open(directory_of(i), small_segments(), OpenOptions{},
                 [&by_log, i](Result<PartitionLog::Opened> opened) {
                   by_log.emplace(i, std::move(opened));
                 });
  }
  opening.finish();
  std::vector<Result<PartitionLog::Opened>> all;
  for (auto& [log, opened] : by_log) all.push_back(std::move(opened));
  return all;
}

struct CrashOptions {
  std::uint64_t seed;
  bool entries_in_order;
};

// A process of the machine "node" with a durable data directory, which the node creates and not the
// log.
sim::Process& start_with_data(sim::World& world) {
  sim::Process& process = world.machine("node").start("log", [](sim::Process&) { return nullptr; });
  world.run_for(1s);
  EXPECT_TRUE(process.disk().make_directories("/data").has_value());
  EXPECT_TRUE(process.disk().sync_directory("/").has_value());
  return process;
}

/// The machine of a log, which loses its power.
struct Scene {
  explicit Scene(std::uint64_t seed, const sim::WorldOptions& options = {})
      : world(seed, options) {}
  Scene(std::uint64_t at, CrashOptions options)
      : Scene(options.seed * 1'000 + at, world_options(options)) {}
  static sim::WorldOptions world_options(CrashOptions options) {
    sim::WorldOptions made;
    made.disk.entries_in_order = options.entries_in_order;
    return made;
  }
  void lose_power() {
    machine.lose_power();
    machine.power_on();
    world.run_for(1s);
  }

  sim::World world;
  sim::Machine& machine = world.machine("node");
  sim::Process& process = start_with_data(world);
  Fuse lasting{UINT64_MAX};
};

void for_20_seeds(void (*run)(std::uint64_t seed)) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    run(seed);
    if (testing::Test::HasFatalFailure()) return;
  }
}

std::uint64_t crash_at(std::uint64_t at, CrashOptions options) {
  Scene scene(at, options);
  Fuse fuse(at);
  Promise promise;
  {
    FusedDisk disk(scene.process.disk(), fuse);
    work(disk, promise);
  }
  scene.lose_power();
  // A second crash in the middle of recovery must not make things worse.
  Fuse second(at % 23);
  {
    FusedDisk disk(scene.process.disk(), second);
    (void)PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
  }
  scene.lose_power();
  FusedDisk disk(scene.process.disk(), scene.lasting);
  verify(disk, promise, at);
  return fuse.used();
}

// A killed process leaves its page cache. Data that the next process read from there and counts as
// synced has to survive a power loss.
void kill_then_cut(std::uint64_t at, CrashOptions options) {
  Scene scene(at, options);
  Promise promise;
  Fuse fuse(at);
  {
    FusedDisk disk(scene.process.disk(), fuse);
    work(disk, promise);
  }
  {
    FusedDisk disk(scene.process.disk(), scene.lasting);
    auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    EXPECT_GE(opened->log->synced_end().value, promise.acknowledged);
    promise.acknowledged = opened->log->synced_end().value;
  }
  scene.lose_power();
  FusedDisk disk(scene.process.disk(), scene.lasting);
  verify(disk, promise, at);
}

/// The logs of a group, whose work ends at the same operation of each.
struct Group {
  std::array<Promise, logs_in_group> promises;

  void work_until(Scene& scene, std::uint64_t at) {
    for (std::size_t i = 0; i < logs_in_group; ++i) {
      Fuse fuse(at + 5 * i);
      FusedDisk disk(scene.process.disk(), fuse);
      work(disk, promises[i], directory_of(i));
    }
  }
  void verify_all(Scene& scene, std::uint64_t at) const {
    FusedDisk disk(scene.process.disk(), scene.lasting);
    auto opened = open_group(disk, 1'000);
    ASSERT_EQ(opened.size(), logs_in_group);
    for (std::size_t i = 0; i < logs_in_group; ++i) {
      verify(std::move(opened[i]), promises[i], at);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
};

/// The power is lost at operation `at` of the recovery of a group: between its writes and its
/// syncs, or between two syncs. Then also the next recovery is cut short. Returns the number of
/// operations that the first recovery needed.
std::uint64_t lose_power_in_a_group(std::uint64_t at, bool was_killed, CrashOptions options) {
  Scene scene(at, options);
  Group group;
  group.work_until(scene, 20 + (at * 7 + options.seed * 13) % 110);
  if (!was_killed) scene.lose_power();
  Fuse fuse(at);
  for (Fuse* const life : {&fuse, &scene.lasting}) {
    Fuse second(at / 2);
    FusedDisk disk(scene.process.disk(), life == &fuse ? fuse : second);
    auto opened = open_group(disk, at % 2 == 0 ? 1'000 : 8);
    EXPECT_EQ(opened.size(), logs_in_group);
    for (std::size_t i = 0; i < logs_in_group; ++i) {
      if (!opened[i]) continue;
      // It counts as synced, so clients may be told of it.
      Offset synced = opened[i]->log->synced_end();
      EXPECT_GE(synced.value, group.promises[i].acknowledged);
      group.promises[i].acknowledged = synced.value;
    }
    opened.clear();
    scene.lose_power();
  }
  group.verify_all(scene, at);
  return fuse.used();
}

// A start on a full disk loses nothing, whether the power is lost before or after there is space.
void start_without_space(std::uint64_t at, CrashOptions options) {
  Scene scene(at, options);
  Promise promise;
  Fuse fuse(at);
  {
    FusedDisk disk(scene.process.disk(), fuse);
    work(disk, promise);
  }
  if (at % 3 != 0) scene.lose_power();
  scene.machine.disk().set_full(true);
  {
    FusedDisk disk(scene.process.disk(), scene.lasting);
    auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
    ASSERT_TRUE(opened.has_value()) << "power cut at " << at << ": " << opened.error().to_string();
    PartitionLog& log = *opened->log;
    EXPECT_GE(log.end().value, promise.acknowledged) << "power cut at " << at;
    EXPECT_TRUE(log.read(log.log_start(), log.end(), 64_MiB, true).has_value());
    promise.acknowledged = log.end().value;
    if (!log.is_recovered()) {
      EXPECT_TRUE(append_to(log, make_batch(1, 10)).error().is(Errc::disk_full));
    }
    if (at % 2 == 0) {
      scene.machine.disk().set_full(false);
      EXPECT_EQ(append_to(log, make_batch(1, 10))->base_offset, Offset{promise.acknowledged});
      promise.sent = log.end().value;
    }
  }
  scene.lose_power();
  scene.machine.disk().set_full(false);
  FusedDisk disk(scene.process.disk(), scene.lasting);
  verify(disk, promise, at);
}

// A failed append truncates the extended file. The next append begins a segment, and a sync moves
// the recovery point to it.
void fail_an_append_then_lose_power(std::uint64_t seed) {
  Scene scene(seed);
  {
    FusedDisk disk(scene.process.disk(), scene.lasting);
    auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
    ASSERT_TRUE(opened.has_value());
    PartitionLog& log = *opened->log;
    const auto sync = [&] {
      const Offset covered = log.end();
      disk.sync(log.dirty_files(), [](const Result<void>& synced) { EXPECT_TRUE(synced); });
      log.synced(covered);
      log.checkpoint();
    };
    ASSERT_TRUE(append_to(log, make_batch(4), 1000, 0));
    sync();
    scene.machine.disk().fail_writes(".log", 1);
    EXPECT_FALSE(append_to(log, make_batch(1), 1000, 0));
    ASSERT_TRUE(append_to(log, make_batch(12), 1000, 0));
    ASSERT_GT(log.segment_count(), 1u);
    sync();
  }
  scene.lose_power();
  FusedDisk disk(scene.process.disk(), scene.lasting);
  verify(disk, {.acknowledged = 16, .sent = 16}, seed);
}

TEST(CutSegment, is_synced_before_the_recovery_point_leaves_it) {
  for_20_seeds(fail_an_append_then_lose_power);
}

// A tail that a start truncated must not come back once the recovery point has left its segment.
void cut_a_tail_then_lose_power(std::uint64_t seed) {
  Scene scene(seed);
  for (int life = 0; life < 2; ++life) {
    FusedDisk disk(scene.process.disk(), scene.lasting);
    auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    PartitionLog& log = *opened->log;
    const auto sync = [&] {
      const Offset covered = log.end();
      disk.sync(log.dirty_files(), [](const Result<void>& synced) { EXPECT_TRUE(synced); });
      log.synced(covered);
    };
    if (life == 0) {
      ASSERT_TRUE(append_to(log, make_batch(4), 1000, 0));
      sync();
      const Bytes torn = as_bytes("the beginning of a batch");
      ASSERT_TRUE(
          (*disk.open(std::string(directory) + "/00000000000000000000.log", OpenMode::read_write))
              ->write(log.size_bytes(), {&torn, 1}));
    } else {
      ASSERT_EQ(opened->report.cut_from, Offset{4});
      ASSERT_TRUE(append_to(log, make_batch(12), 1000, 0));
      ASSERT_GT(log.segment_count(), 1u);
      sync();
      log.checkpoint();
    }
  }
  scene.lose_power();
  FusedDisk disk(scene.process.disk(), scene.lasting);
  verify(disk, {.acknowledged = 16, .sent = 16}, seed);
}

TEST(CutTail, does_not_reappear) {
  for_20_seeds(cut_a_tail_then_lose_power);
}

// Data of a failed sync can be read until the power is lost, and no later sync writes it. A start
// that counts it as synced has to write it again.
void fail_a_sync_then_lose_power(std::uint64_t seed) {
  Scene scene(seed);
  Offset synced;
  for (int life = 0; life < 2; ++life) {
    FusedDisk disk(scene.process.disk(), scene.lasting);
    auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    PartitionLog& log = *opened->log;
    synced = log.synced_end();
    if (life == 1) break;
    ASSERT_TRUE(append_to(log, make_batch(4), 1000, 0));
    scene.machine.disk().fail_syncs(".log", 1);
    disk.sync(log.dirty_files(), [&](const Result<void>& outcome) {
      ASSERT_FALSE(outcome);
      log.sync_failed(outcome.error());
    });
  }
  ASSERT_EQ(synced, Offset{4}) << "the page cache had it all";
  scene.lose_power();
  FusedDisk disk(scene.process.disk(), scene.lasting);
  verify(disk, {.acknowledged = 4, .sent = 4}, seed);
}

TEST(FailedSync, is_repaired_by_the_next_start) {
  for_20_seeds(fail_a_sync_then_lose_power);
}

constexpr Now much_later{TimePoint{}, Timestamp{std::int64_t{1} << 50}};

void sync_all(Disk& disk, PartitionLog& log, Promise& promise) {
  const Offset covered = log.end();
  disk.sync(log.dirty_files(), [&](const Result<void>& outcome) {
    if (!outcome) return;
    log.synced(covered);
    promise.acknowledged = covered.value;
  });
}

TEST(Log, waits_for_no_device_on_its_owners_thread_once_it_is_open) {
  Scene scene(1);
  FusedDisk disk(scene.process.disk(), scene.lasting);
  auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
  ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
  PartitionLog& log = *opened->log;
  const unsigned before = disk.blocking_syncs();
  Promise promise;
  for (int i = 0; i < 24; ++i) {
    ASSERT_TRUE(append_to(log, make_batch(4, 60, 1000), 1000, i / 10));
    sync_all(disk, log, promise);
    if (i % 6 == 5) log.checkpoint();
  }
  EXPECT_GT(log.segment_count(), 3u);
  ASSERT_EQ(promise.acknowledged, log.end().value);
  EXPECT_GT(*log.retain(much_later), 3u);
  EXPECT_EQ(log.log_start(), log.end());
  ASSERT_TRUE(append_to(log, make_batch(4), 1000, 3));
  sync_all(disk, log, promise);
  EXPECT_EQ(disk.blocking_syncs(), before);
}

// All records expire, and an empty last segment is created.
std::uint64_t empty_then_lose_power(std::uint64_t at, bool entries_in_order) {
  Scene scene(at, CrashOptions{3, entries_in_order});
  Fuse fuse(at);
  Promise promise;
  {
    FusedDisk disk(scene.process.disk(), fuse);
    auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
    if (opened) {
      PartitionLog& log = *opened->log;
      for (int i = 0; i < 12; ++i) {
        promise.sent = log.end().value + 4;
        if (i == 8) (void)log.retain(much_later);
        if (!append_to(log, make_batch(4, 60, 1000), 1000, 0)) break;
        sync_all(disk, log, promise);
        if (i == 10) log.checkpoint();
      }
    }
  }
  scene.lose_power();
  FusedDisk disk(scene.process.disk(), scene.lasting);
  verify(disk, promise, at);
  return fuse.used();
}

class CrashTest : public testing::TestWithParam<bool> {};

TEST_P(CrashTest, power_lost_while_all_of_a_log_expires_loses_nothing_behind_it) {
  std::uint64_t used = 1;
  for (std::uint64_t at = 0; at <= used; ++at) {
    used = std::max(used, empty_then_lose_power(at, GetParam()));
    if (HasFatalFailure()) return;
    if (at > used) break;
  }
  EXPECT_GT(used, 50u);
}

TEST_P(CrashTest, power_lost_at_any_operation_loses_nothing_acknowledged) {
  const std::uint64_t operations = crash_at(UINT64_MAX >> 1, {1, GetParam()});
  ASSERT_GT(operations, 100u);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    for (std::uint64_t at = 0; at < operations; ++at) {
      crash_at(at, {seed, GetParam()});
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(CrashTest, unsynced_records_of_a_killed_process_are_synced_before_they_count) {
  for (std::uint64_t at = 0; at < 130; ++at) {
    kill_then_cut(at, {7, GetParam()});
    if (HasFatalFailure()) return;
  }
}

TEST_P(CrashTest, power_lost_at_any_operation_of_a_groups_recovery_loses_nothing) {
  for (const bool was_killed : {false, true}) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      std::uint64_t used = 1;
      for (std::uint64_t at = 0; at <= used; ++at) {
        used = std::max(used, lose_power_in_a_group(at, was_killed, {seed, GetParam()}));
        if (HasFatalFailure()) return;
      }
      EXPECT_GT(used, 60u);
    }
  }
}

TEST_P(CrashTest, a_start_on_a_full_disk_loses_nothing_acknowledged) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    for (std::uint64_t at = 0; at < 130; ++at) {
      start_without_space(at, {seed, GetParam()});
      if (HasFatalFailure()) return;
    }
  }
}

// Fails the sync of one log's last file with that name. Its neighbours open, and it opens at the
// next start.
void fail_one_sync_of_a_group(std::string_view suffix) {
  Scene scene(11);
  Group group;
  group.work_until(scene, 100);
  std::string file;
  for (const auto& entry : scene.process.disk().list("/data/t-1").value()) {
    if (entry.name.ends_with(suffix)) file = entry.name;
  }
  scene.machine.disk().fail_syncs("/data/t-1/" + file, 1);
  {
    FusedDisk disk(scene.process.disk(), scene.lasting);
    const auto opened = open_group(disk, 1'000);
    ASSERT_EQ(opened.size(), logs_in_group);
    EXPECT_TRUE(opened[0].has_value());
    ASSERT_FALSE(opened[1].has_value()) << file;
    EXPECT_TRUE(opened[2].has_value());
    const std::string why = opened[1].error().to_string();
    EXPECT_NE(why.find("partition /data/t-1"), std::string::npos) << why;
    EXPECT_NE(why.find("sync"), std::string::npos) << why;
  }
  scene.lose_power();
  group.verify_all(scene, 100);
}

TEST(GroupOpening, refuses_only_the_logs_whose_files_cannot_be_synced) {
  for (const char* file : {".log", ".index", "leader-epoch-checkpoint", "dohle-log"}) {
    fail_one_sync_of_a_group(file);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(GroupOpening, syncs_all_logs_in_as_many_groups_as_a_recovery_has_steps) {
  Scene scene(12);
  Group group;
  group.work_until(scene, UINT64_MAX >> 1);
  const auto syncs = [&scene](std::size_t max_files) {
    FusedDisk disk(scene.process.disk(), scene.lasting);
    for (const auto& opened : open_group(disk, max_files)) EXPECT_TRUE(opened.has_value());
    return disk.group_syncs();
  };
  EXPECT_EQ(syncs(1'000), 2u) << "all that was read, and the recovery points";
  EXPECT_EQ(syncs(1), 2 * logs_in_group) << "each log's files fill a group";
  // A log with a torn tail has one step more: its copy is durable before the cut.
  std::string last;
  for (const auto& entry : scene.process.disk().list("/data/t-1").value()) {
    if (entry.name.ends_with(".log")) last = "/data/t-1/" + entry.name;
  }
  const Bytes torn = as_bytes("the beginning of a batch");
  const auto file = scene.process.disk().open(last, OpenMode::read_write).value();
  ASSERT_TRUE(file->write(file->size(), {&torn, 1}));
  EXPECT_EQ(syncs(1'000), 3u);
}

INSTANTIATE_TEST_SUITE_P(Entries, CrashTest, testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "in_order" : "in_any_order");
});

// The sync for the truncation of a finished segment fails. The next start finds the truncated file
// in the page cache, and a later power loss must not bring the old length back.
void fail_the_sync_of_a_cut_then_lose_power(std::uint64_t seed) {
  Scene scene(seed);
  FusedDisk disk(scene.process.disk(), scene.lasting);
  {
    auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
    ASSERT_TRUE(opened.has_value());
    PartitionLog& log = *opened->log;
    ASSERT_TRUE(append_to(log, make_batch(4), 1000, 0));
    ASSERT_TRUE(append_to(log, make_batch(12), 1000, 0));
    ASSERT_GT(log.segment_count(), 1u);
    scene.machine.disk().fail_syncs(".log", 2);
    disk.sync(log.dirty_files(), [](const Result<void>& synced) { EXPECT_FALSE(synced); });
    scene.machine.disk().fail_syncs(".log", 0);
  }
  {
    auto opened = PartitionLog::open(disk, directory, small_segments(), OpenOptions{});
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    ASSERT_EQ(opened->log->synced_end(), Offset{16});
  }
  scene.lose_power();
  FusedDisk later(scene.process.disk(), scene.lasting);
  verify(later, {.acknowledged = 16, .sent = 16}, seed);
}

TEST(CutSegment, is_cut_again_behind_a_sync_that_failed) {
  for_20_seeds(fail_the_sync_of_a_cut_then_lose_power);
}

}  // namespace
}  // namespace dohle::log
