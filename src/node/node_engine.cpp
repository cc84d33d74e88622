#include "node/node_engine.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"

namespace dohle::node {

namespace {

using std::chrono::milliseconds;

constexpr auto maintenance_interval = std::chrono::seconds(2);
constexpr std::uint64_t rounds_per_retention = 5;
constexpr std::uint64_t rounds_per_expiry = 30;
constexpr auto drain_interval = milliseconds(2);
// How often the checks behind the scenes are asked whether their next piece is due.
constexpr auto background_check_interval = milliseconds(20);

FetchSessions::Options fetch_session_options() {
  return {limits::max_fetch_sessions, limits::max_fetch_session_partitions,
          limits::fetch_session_eviction_age};
}

// What a consumer has read is never taken back under `fsync`.
log::Visible visible_under(Durability durability) {
  return durability == Durability::fsync ? log::Visible::synced : log::Visible::written;
}

log::LogConfig log_defaults(const NodeSettings& settings) {
  log::LogConfig config;
  config.max_timestamp_before_ms = settings.max_timestamp_before.count();
  config.max_timestamp_after_ms = settings.max_timestamp_after.count();
  return config;
}

// Segments that no sync covers hold their log, two indexes and a snapshot open, and one group of
// them is synced while the next fills. Where descriptors are scarce, that is a bound.
std::size_t max_dirty_segments(std::size_t max_open_files) {
  constexpr std::size_t files_of_segment = 4;
  const bool is_scarce = max_open_files < log::FileCache::open_max_default;
  return std::max<std::size_t>(1, max_open_files / (is_scarce ? 2 * files_of_segment : 2));
}

bool is_full(const Result<void>& outcome) {
  return !outcome && outcome.error().is(Errc::disk_full);
}

}  // namespace

void Responder::send(Chain bytes) const {
  if (Session* to = engine_->session(session_)) to->answer(number_, std::move(bytes));
}

void Responder::close(const Error& why) const {
  Session* to = engine_->session(session_);
  if (to == nullptr) return;
  engine_->lines().complain("closing the connection of " + to->peer() + ": " +
                            std::string(why.message()));
  to->close();
}

NodeEngine::NodeEngine(NodeEnvironment environment, NodeSettings settings)
    : environment_(environment),
      settings_(std::move(settings)),
      visible_(visible_under(settings_.durability)),
      lines_(environment.loop, environment.logger),
      doorway_(*this, environment.loop, lines_,
               {settings_.max_connections, settings_.connections_bound, settings_.max_request_bytes,
                settings_.max_requests_bytes}),
      topics_(environment.disk, settings_.data_directory, environment.random,
              {visible_, this, settings_.max_open_files, settings_.adopt, log_defaults(settings_),
               [this](std::string_view line) { lines_.warn(line); }, settings_.durability,
               settings_.accept_losses,
               [this](const PartitionRef& partition) { fetch_waits_.changed(*partition); },
               [this](const std::string& topic, Task then) {
                 groups_.forget_topic(topic, [this, then = std::move(then)]() mutable {
                   // Offsets that came back after a crash would be the next topic's of that name.
                   syncing_.when_durable(std::move(then));
                 });
               }}),
      syncing_(
          environment.loop, environment.disk, settings_.durability,
          max_dirty_segments(settings_.max_open_files),
          [this](const PartitionRef& partition, std::uint64_t bytes) {
            on_partition_synced(partition, bytes);
          },
          [this](const PartitionRef& partition) {
            if (partition->fault() != nullptr) return;
            topics_.acknowledged(*partition, partition->log()->end());
          }),
      places_(environment.loop, environment.disk),
      batch_checks_(environment.disk),
      fetch_waits_(environment.loop, {limits::max_waiting_fetches, settings_.max_fetch_wait_pairs}),
      fetch_sessions_(fetch_session_options(), environment.random),
      groups_(*this, environment.loop, environment.disk, environment.random, settings_.groups),
      dispatcher_(*this, doorway_.sessions(), lines_, environment.loop,
                  settings_.max_unread_answer_bytes) {}

NodeEngine::~NodeEngine() {
  *is_alive_ = false;
  doorway_.close_all();
  environment_.loop.cancel(maintenance_);
  environment_.loop.cancel(background_check_);
}

void NodeEngine::check_invariants() const {
  if (!lock_) return;
  topics_.check_invariants();
  syncing_.check_invariants();
  batch_checks_.check_invariants();
  fetch_waits_.check_invariants();
  fetch_sessions_.check_invariants();
  groups_.coordinator().check_invariants();
  doorway_.check_invariants();
  dispatcher_.check_invariants();
}

// --- start and stop

Result<void> NodeEngine::start() {
  Disk& disk = environment_.disk;
  if (auto made = disk.make_directories(settings_.data_directory); !made) return made;
  auto lock = disk.lock(settings_.data_directory);
  if (!lock) return fail(lock.error());
  lock_ = *std::move(lock);
  auto findings = topics_.open();
  if (!findings) return fail(findings.error());
  for (const Topics::Finding& finding : *findings) {
    finding.is_error ? lines_.report_error(finding.line) : lines_.warn(finding.line);
  }
  groups_.load();
  (void)clock_watch_.look(now());  // the first look has nothing to compare with
  arm_maintenance();
  check_in_background();
  return {};
}

Result<Endpoint> NodeEngine::listen(Listening& listening, ListenAt where) {
  return doorway_.listen(listening, std::move(where));
}

void NodeEngine::stop(TimePoint deadline, std::move_only_function<void(Result<void>)> done) {
  stopping_ = Stopping{deadline, std::move(done)};
  doorway_.drain();
  fetch_waits_.answer_all();
  groups_.answer_all();
  syncing_.when_synced([this] { drain_sessions(); });
}

// Waits for the last answers to be written.
void NodeEngine::drain_sessions() {
  if (now().mono >= stopping_->deadline || doorway_.is_idle()) return finish_stop();
  environment_.loop.arm(now().mono + drain_interval, [this, alive = is_alive_] {
    if (*alive) drain_sessions();
  });
}

void NodeEngine::finish_stop() {
  DOHLE_ASSERT(stopping_.has_value(), "a node ends that was not stopped");
  doorway_.close_all();
  dispatcher_.drop_all();
  batch_checks_.drop_all();
  environment_.loop.cancel(std::exchange(maintenance_, 0));
  environment_.loop.cancel(std::exchange(background_check_, 0));
  topics_.close([this](Result<void> outcome) {
    lock_.reset();
    auto done = std::move(stopping_->done);
    stopping_.reset();
    done(std::move(outcome));
  });
}

// --- sessions

void NodeEngine::on_request(Session& session, Slice frame) {
  dispatcher_.take(session, std::move(frame));
}

void NodeEngine::on_gone(Session& session) {
  dispatcher_.forget(session);
  fetch_waits_.forget(session.id());
}

// --- records

Result<log::Appended> NodeEngine::append(const PartitionRef& partition, const Slice& batch,
                                         const wire::BatchHeader& header) {
  if (const Error* fault = partition->fault()) return fail(*fault);
  const std::size_t segments = partition->log()->segment_count();
  auto appended = partition->log()->append(batch, header, leader_epoch, now());
  if (!appended || appended->is_duplicate) return appended;
  partition->appended_bytes += batch.size();
  syncing_.appended(partition, partition->log()->segment_count() > segments);
  places_.appended(partition);
  if (visible_ == log::Visible::written) show(partition, partition->appended_bytes);
  return appended;
}

void NodeEngine::show(const PartitionRef& partition, std::uint64_t visible_bytes) {
  DOHLE_ASSERT(visible_bytes >= partition->visible_bytes, "consumers see fewer bytes than before");
  const std::uint64_t more = visible_bytes - partition->visible_bytes;
  partition->visible_bytes = visible_bytes;
  fetch_waits_.advanced(*partition, static_cast<std::size_t>(more));
}

void NodeEngine::on_partition_synced(const PartitionRef& partition, std::uint64_t bytes) {
  if (partition->fault() != nullptr) return;  // on_offline tells
  if (settings_.durability == Durability::fsync) {
    topics_.acknowledged(*partition, partition->log()->synced_end());
  }
  if (visible_ == log::Visible::synced) show(partition, bytes);
}

void NodeEngine::on_checked(log::PartitionLog& log) {
  if (log.offline() != nullptr) return;  // on_offline follows, and says why before it answers
  const PartitionRef partition = topics_.owner_of(log);
  if (partition == nullptr) return;
  if (partition->topic() == offsets_topic) groups_.on_checked();
  fetch_waits_.changed(*partition);
}

void NodeEngine::on_offline(log::PartitionLog& log, const Error& why) {
  const PartitionRef partition = topics_.owner_of(log);
  if (partition == nullptr) return;
  lines_.report_error(
      "partition " + partition->name() +
      " is offline until a restart: " + std::string(why.message()) +
      std::string(partition->topic() == offsets_topic ? groups_wait : std::string_view()));
  if (partition->topic() == offsets_topic) groups_.on_checked();
  fetch_waits_.changed(*partition);
}

// --- now and then

void NodeEngine::arm_maintenance() {
  maintenance_ = environment_.loop.arm(now().mono + maintenance_interval, [this] {
    maintenance_ = 0;
    begin_maintenance();
  });
}

void NodeEngine::begin_maintenance() {
  ++maintenance_round_;
  has_space_ = true;
  if (const auto line = clock_watch_.look(now())) lines_.warn(*line);
  maintain_some();
}

// A piece of the round: requests are served between pieces, however many partitions there are.
void NodeEngine::maintain_some() {
  const Now believed = clock_watch_.believed(now());
  const bool retains = maintenance_round_ % rounds_per_retention == 0;
  const auto visit = [&](const PartitionRef& partition) {
    if (retains) retain(partition, believed);
    if (partition->fault() != nullptr) return;
    if (has_space_) has_space_ = !is_full(partition->log()->finish_recovery());
    if (partition->log()->needs_checkpoint()) due_.push_back(partition);
  };
  if (!maintained_.step(topics_, limits::max_maintained_at_once, visit)) return end_maintenance();
  maintenance_ = environment_.loop.arm(now().mono, [this] {
    maintenance_ = 0;
    maintain_some();
  });
}

void NodeEngine::end_maintenance() {
  checkpoint(std::exchange(due_, {}));
  (void)groups_.store_owed();
  if (maintenance_round_ % rounds_per_expiry == 0) groups_.expire(clock_watch_.believed(now()));
  arm_maintenance();
}

void NodeEngine::retain(const PartitionRef& partition, Now now) {
  if (partition->fault() != nullptr) return;
  const auto retained = partition->log()->retain(now);
  const std::string why(retained ? std::string_view() : retained.error().message());
  const bool is_told =
      why.empty() || why == partition->told_of_retention ||
      lines_.warn_now_and_then("partition " + partition->name() + " keeps its old records: " + why);
  if (is_told) partition->told_of_retention = why;
  if (retained.value_or(0) < log::PartitionLog::max_retired_at_once) return;
  environment_.loop.post([this, partition, now, alive = is_alive_] {
    if (*alive && !stopping_) retain(partition, now);
  });
}

// Each holds a file open until it is durable: those first that have most to walk after a crash, and
// the others in a later round.
void NodeEngine::checkpoint(std::vector<PartitionRef> due) const {
  std::erase_if(due, [](const PartitionRef& partition) { return partition->fault() != nullptr; });
  const auto to_walk = [](const PartitionRef& partition) {
    return partition->log()->synced_end() - partition->log()->recovery_point();
  };
  const std::size_t at_once =
      std::min(due.size(), std::max<std::size_t>(1, settings_.max_open_files / 4));
  std::ranges::partial_sort(due, due.begin() + static_cast<std::ptrdiff_t>(at_once),
                            std::ranges::greater(), to_walk);
  for (std::size_t i = 0; i < at_once; ++i) due[i]->log()->checkpoint();
}

void NodeEngine::check_in_background() {
  background_check_ = 0;
  if (!topics_.check_more(now())) return;
  background_check_ = environment_.loop.arm(now().mono + background_check_interval,
                                            [this] { check_in_background(); });
}

}  // namespace dohle::node
