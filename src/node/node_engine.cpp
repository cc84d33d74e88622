#include "node/node_engine.hpp"

#include "base/assert.hpp"
#include "node/limits.hpp"

namespace dohle::node {

namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t rounds_per_expiry = 30;
constexpr auto drain_interval = milliseconds(2);

FetchSessions::Options fetch_session_options() {
  return {limits::max_fetch_sessions, limits::max_fetch_session_partitions,
          limits::fetch_session_eviction_age};
}

log::LogConfig log_defaults(const NodeSettings& settings) {
  log::LogConfig config;
  config.max_timestamp_before_ms = settings.max_timestamp_before.count();
  config.max_timestamp_after_ms = settings.max_timestamp_after.count();
  return config;
}

Users::Options user_options(const NodeSettings& settings, std::function<void(std::uint64_t)> note) {
  return {settings.data_directory,
          settings.security.plain_users,
          settings.security.first_scram_users,
          settings.security.authenticates,
          settings.security.mechanisms,
          std::move(note)};
}

Doorway::Options doorway_options(const NodeSettings& settings, RequestFaults* faults) {
  return {settings.max_connections,
          settings.connections_bound,
          settings.max_request_bytes,
          settings.max_requests_bytes,
          {settings.security.mechanisms, settings.security.max_reauth},
          faults};
}

Storage::Options storage_options(const NodeSettings& settings, Users& users) {
  return {settings.data_directory,
          settings.durability,
          settings.max_open_files,
          log_defaults(settings),
          settings.adopt,
          settings.accept_losses,
          {[&users](const KnownSizes& sizes) { return users.open(sizes); },
           [&users](const KnownSizes& sizes) { return users.begins_anew(sizes); },
           [&users] { return users.file_bytes(); }}};
}

}  // namespace

NodeEngine::NodeEngine(NodeEnvironment environment, NodeSettings settings)
    : environment_(environment),
      settings_(std::move(settings)),
      lines_(environment.loop, environment.logger),
      users_(
          environment.disk, environment.random, lines_,
          user_options(settings_,
                       [this](std::uint64_t bytes) { storage_.topics().note_users_bytes(bytes); })),
      password_checks_(environment.workers, environment.loop),
      doorway_(*this, environment.loop, lines_, {users_, password_checks_, environment.random},
               doorway_options(settings_, environment.faults)),
      storage_(*this, environment.loop, environment.disk, environment.random, lines_,
               storage_options(settings_, users_)),
      batch_checks_(environment.loop, environment.disk),
      time_searches_(environment.disk),
      fetch_waits_(environment.loop, {limits::max_waiting_fetches, settings_.max_fetch_wait_pairs}),
      fetch_sessions_(fetch_session_options(), environment.random),
      groups_(storage_, lines_, environment.loop, environment.disk, environment.random,
              settings_.groups),
      parts_(NodeParts::All{.settings = settings_,
                            .authorizer = environment.authorizer,
                            .loop = environment.loop,
                            .disk = environment.disk,
                            .lines = lines_,
                            .sessions = doorway_.sessions(),
                            .dispatcher = dispatcher_,
                            .storage = storage_,
                            .users = users_,
                            .groups = groups_,
                            .batch_checks = batch_checks_,
                            .time_searches = time_searches_,
                            .fetch_waits = fetch_waits_,
                            .fetch_sessions = fetch_sessions_,
                            .faults = environment.faults}),
      dispatcher_(parts_, settings_.max_unread_answer_bytes) {}

NodeEngine::~NodeEngine() {
  *is_alive_ = false;
  doorway_.close_all();
}

void NodeEngine::check_invariants() const {
  if (!storage_.is_open()) return;
  storage_.check_invariants();
  batch_checks_.check_invariants();
  fetch_waits_.check_invariants();
  fetch_sessions_.check_invariants();
  groups_.coordinator().check_invariants();
  users_.check_invariants();
  password_checks_.check_invariants();
  doorway_.check_invariants();
  dispatcher_.check_invariants();
}

// --- start and stop

Result<void> NodeEngine::start() {
  if (auto opened = storage_.open(); !opened) return opened;
  users_.work_beside();
  groups_.load();
  storage_.start_maintenance();
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
  storage_.when_synced([this] { drain_sessions(); });
}

// Waits until the last answers are written.
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
  time_searches_.drop_all();
  password_checks_.drop_all();
  users_.when_idle([this, alive = is_alive_] {
    if (*alive) close_storage();
  });
}

void NodeEngine::close_storage() {
  storage_.close([this](Result<void> outcome) {
    auto done = std::move(stopping_->done);
    stopping_.reset();
    done(std::move(outcome));
  });
}

// --- sessions

void NodeEngine::drop_connections() {
  for (const auto& [id, session] : doorway_.sessions().all()) session->abort();
}

void NodeEngine::on_request(Session& session, Slice frame) {
  dispatcher_.take(session, std::move(frame));
}

void NodeEngine::on_gone(Session& session) {
  dispatcher_.forget(session);
  fetch_waits_.forget(session.id());
}

// --- records

void NodeEngine::on_advanced(Partition& partition, std::size_t bytes) {
  fetch_waits_.advanced(partition, bytes);
}

void NodeEngine::on_changed(Partition& partition) {
  if (partition.topic() == offsets_topic) groups_.on_checked();
  fetch_waits_.changed(partition);
}

void NodeEngine::on_removed(const std::string& topic, Task then) {
  groups_.forget_topic(topic, [this, then = std::move(then)]() mutable {
    // Otherwise a crash could bring these offsets back for the next topic of that name.
    storage_.when_durable(std::move(then));
  });
}

void NodeEngine::on_maintained(Now believed) {
  (void)groups_.store_owed();
  if (++maintenance_rounds_ % rounds_per_expiry == 0) groups_.expire(believed);
}

}  // namespace dohle::node
