#include "node/storage/storage.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "node/limits.hpp"
#include "node/turn.hpp"

namespace dohle::node {

namespace {

constexpr auto maintenance_interval = std::chrono::seconds(2);
constexpr std::uint64_t rounds_per_retention = 5;
// Time between two pieces of the background checks.
constexpr auto background_check_interval = std::chrono::milliseconds(20);

// Under `fsync` a crash never removes a record that a consumer has read.
log::Visible visible_under(Durability durability) {
  return durability == Durability::fsync ? log::Visible::synced : log::Visible::written;
}

// A segment with unsynced bytes holds its log, two indexes and a snapshot open. One group of them
// is synced while the next one fills. If descriptors are scarce, that limits their number.
std::size_t max_dirty_segments(std::size_t max_open_files) {
  constexpr std::size_t files_of_segment = 4;
  const bool is_scarce = max_open_files < log::FileCache::open_max_default;
  return std::max<std::size_t>(1, max_open_files / (is_scarce ? 2 * files_of_segment : 2));
}

}  // namespace

Storage::Storage(StorageEvents& events, Executor& loop, Disk& disk, SecureRandom& random,
                 Lines& lines, Options options)
    : events_(events),
      loop_(loop),
      disk_(disk),
      lines_(lines),
      options_(std::move(options)),
      visible_(visible_under(options_.durability)),
      topics_(disk, options_.directory, random,
              {visible_, this, options_.max_open_files, options_.adopt, options_.log_defaults,
               [this](std::string_view line) { lines_.warn(line); }, options_.durability,
               options_.accept_losses, options_.users,
               [this](const PartitionRef& partition) { events_.on_changed(*partition); },
               [this](const std::string& topic, Task then) {
                 events_.on_removed(topic, std::move(then));
               }}),
      syncing_(
          loop, disk, options_.durability, max_dirty_segments(options_.max_open_files),
          [this](const PartitionRef& partition, std::uint64_t bytes) {
            on_partition_synced(partition, bytes);
          },
          [this](const PartitionRef& partition) {
            if (partition->fault() != nullptr) return;
            topics_.acknowledged(*partition, partition->log()->end());
          }),
      places_(loop, disk) {}

Storage::~Storage() {
  *is_alive_ = false;
  stop_maintenance();
}

// --- the directory

Result<void> Storage::open() {
  if (auto made = disk_.make_directories(options_.directory); !made) return made;
  auto lock = disk_.lock(options_.directory);
  if (!lock) return fail(lock.error());
  lock_ = *std::move(lock);
  auto findings = topics_.open();
  if (!findings) return fail(findings.error());
  for (const TopicTable::Finding& finding : *findings) {
    finding.is_error ? lines_.report_error(finding.line) : lines_.warn(finding.line);
  }
  return {};
}

void Storage::close(Disk::Synced done) {
  stop_maintenance();
  topics_.close([this, done = std::move(done)](Result<void> outcome) mutable {
    lock_.reset();
    done(std::move(outcome));
  });
}

void Storage::check_invariants() const {
  topics_.check_invariants();
  syncing_.check_invariants();
}

// --- records

Result<log::Appended> Storage::append(const PartitionRef& partition, const Slice& batch,
                                      const wire::BatchHeader& header) {
  if (const Error* fault = partition->fault()) return fail(*fault);
  const std::size_t segments = partition->log()->segment_count();
  log::StoredBatch stored;
  const bool is_kept = NewestBatches::is_wanted(*partition, batch.size());
  auto appended = partition->log()->append(batch, header, leader_epoch, loop_.tick(),
                                           is_kept ? &stored : nullptr);
  if (!appended || appended->is_duplicate) return appended;
  if (is_kept) newest_.keep(*partition, std::move(stored));
  took(partition, batch.size(), partition->log()->segment_count() > segments);
  return appended;
}

void Storage::append_beside(const PartitionRef& partition, const Slice& batch,
                            const wire::BatchHeader& header,
                            log::PartitionLog::AppendedBeside done) {
  if (const Error* fault = partition->fault()) return done(fail(*fault));
  const std::size_t segments = partition->log()->segment_count();
  partition->log()->append_beside(
      batch, header, leader_epoch, loop_.tick(),
      [this, partition, segments, bytes = batch.size(), done = std::move(done),
       alive = is_alive_](Result<log::Appended> appended) mutable {
        if (!*alive) return;
        if (appended && !appended->is_duplicate) {
          took(partition, bytes, partition->log()->segment_count() > segments);
        }
        done(std::move(appended));
      });
}

void Storage::took(const PartitionRef& partition, std::size_t bytes, bool has_rolled) {
  partition->appended_bytes += bytes;
  syncing_.appended(partition, has_rolled);
  places_.appended(partition);
  if (visible_ == log::Visible::written) show(partition, partition->appended_bytes);
}

void Storage::show(const PartitionRef& partition, std::uint64_t visible_bytes) {
  DOHLE_ASSERT(visible_bytes >= partition->visible_bytes, "consumers see fewer bytes than before");
  const std::uint64_t more = visible_bytes - partition->visible_bytes;
  partition->visible_bytes = visible_bytes;
  events_.on_advanced(*partition, static_cast<std::size_t>(more));
}

void Storage::on_partition_synced(const PartitionRef& partition, std::uint64_t bytes) {
  if (partition->fault() != nullptr) return;  // on_offline logs it
  if (options_.durability == Durability::fsync) {
    topics_.acknowledged(*partition, partition->log()->synced_end());
  }
  if (visible_ == log::Visible::synced) show(partition, bytes);
}

void Storage::on_checked(log::PartitionLog& log) {
  if (log.offline() != nullptr) return;  // on_offline follows: it logs, then answers
  if (const PartitionRef partition = topics_.owner_of(log)) events_.on_changed(*partition);
}

void Storage::on_offline(log::PartitionLog& log, const Error& why) {
  const PartitionRef partition = topics_.owner_of(log);
  if (partition == nullptr) return;
  lines_.report_error(
      "partition " + partition->name() +
      " is offline until a restart: " + std::string(why.message()) +
      std::string(partition->topic() == offsets_topic ? groups_wait : std::string_view()));
  events_.on_changed(*partition);
}

// --- maintenance

void Storage::start_maintenance() {
  is_maintained_ = true;
  (void)clock_watch_.look(loop_.tick());  // the first call only sets the base
  arm_maintenance();
  check_in_background();
}

void Storage::stop_maintenance() {
  is_maintained_ = false;
  loop_.cancel(std::exchange(maintenance_, 0));
  loop_.cancel(std::exchange(background_check_, 0));
}

void Storage::arm_maintenance() {
  maintenance_ = loop_.arm(loop_.tick().mono + maintenance_interval, [this] {
    maintenance_ = 0;
    begin_maintenance();
  });
}

void Storage::begin_maintenance() {
  ++maintenance_round_;
  unrecovered_.clear();
  if (const auto line = clock_watch_.look(loop_.tick())) lines_.warn(*line);
  maintain_some();
}

// One piece of a round. Requests are served between pieces.
void Storage::maintain_some() {
  const Now believed = clock_watch_.believed(loop_.tick());
  const bool retains = maintenance_round_ % rounds_per_retention == 0;
  const auto visit = [&](const PartitionRef& partition) {
    if (retains) retain(partition, believed);
    if (partition->fault() != nullptr) return;
    if (!partition->log()->is_recovered()) unrecovered_.push_back(partition);
    if (partition->log()->needs_checkpoint()) choose_checkpoint(partition);
  };
  for (std::size_t i = 0; i < limits::max_maintained_at_once; ++i) {
    if (!maintained_.step(topics_, 1, visit)) return end_maintenance();
    if (is_turn_over(loop_)) break;
  }
  maintenance_ = loop_.arm(loop_.tick().mono, [this] {
    maintenance_ = 0;
    maintain_some();
  });
}

void Storage::end_maintenance() {
  finish_recovery_of_next();
  checkpoint_some();
}

// One partition after the other, until one finds no space.
void Storage::finish_recovery_of_next() {
  while (!unrecovered_.empty() && unrecovered_.back()->fault() != nullptr) unrecovered_.pop_back();
  if (unrecovered_.empty()) return;
  const PartitionRef next = std::move(unrecovered_.back());
  unrecovered_.pop_back();
  next->log()->finish_recovery([this, alive = is_alive_](const Result<void>& outcome) {
    if (!*alive) return;
    if (!outcome && outcome.error().is(Errc::disk_full)) return unrecovered_.clear();
    loop_.post([this, alive] {
      if (*alive && is_maintained_) finish_recovery_of_next();
    });
  });
}

void Storage::retain(const PartitionRef& partition, Now now) {
  if (partition->fault() != nullptr) return;
  const auto retained = partition->log()->retain(now);
  const std::string why(retained ? std::string_view() : retained.error().message());
  const bool is_told =
      why.empty() || why == partition->told_of_retention ||
      lines_.warn_now_and_then("partition " + partition->name() + " keeps its old records: " + why);
  if (is_told) partition->told_of_retention = why;
  if (retained.value_or(0) < log::PartitionLog::max_retired_at_once) return;
  loop_.post([this, partition, now, alive = is_alive_] {
    if (*alive && is_maintained_) retain(partition, now);
  });
}

// A checkpoint holds a file open until it is durable, so their number is limited. Partitions with
// the most records to read after a crash are chosen, the others in a later round.
void Storage::choose_checkpoint(const PartitionRef& partition) {
  const log::PartitionLog& log = *partition->log();
  const Due due{log.synced_end() - log.recovery_point(), partition};
  const auto is_longer = [](const Due& a, const Due& b) { return a.to_walk > b.to_walk; };
  if (due_.size() >= std::max<std::size_t>(1, options_.max_open_files / 4)) {
    if (due.to_walk <= due_.front().to_walk) return;
    std::ranges::pop_heap(due_, is_longer);
    due_.pop_back();
  }
  due_.push_back(due);
  std::ranges::push_heap(due_, is_longer);
}

void Storage::checkpoint_some() {
  while (!due_.empty()) {
    const PartitionRef partition = std::move(due_.back().partition);
    due_.pop_back();
    if (partition->fault() == nullptr) partition->log()->checkpoint();
    if (is_turn_over(loop_)) break;
  }
  if (!due_.empty()) {
    maintenance_ = loop_.arm(loop_.tick().mono, [this] {
      maintenance_ = 0;
      checkpoint_some();
    });
    return;
  }
  events_.on_maintained(clock_watch_.believed(loop_.tick()));
  arm_maintenance();
}

void Storage::check_in_background() {
  background_check_ = 0;
  if (!topics_.check_more(loop_.tick())) return;
  background_check_ =
      loop_.arm(loop_.tick().mono + background_check_interval, [this] { check_in_background(); });
}

}  // namespace dohle::node
