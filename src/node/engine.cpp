#include "node/engine.hpp"

#include <algorithm>

#include "log/checkpoint.hpp"
#include "node/handlers/handlers.hpp"

namespace dohle::node {

namespace {

constexpr auto maintenance_interval = std::chrono::seconds(10);
constexpr std::string_view cluster_file = "dohle-cluster";

// The cluster's id, made on the first start.
Result<std::string> cluster_id_in(Disk& disk, const std::string& directory, Random& random) {
  auto text = log::read_checkpoint(disk, directory, cluster_file);
  if (text || !text.error().is(Errc::not_found)) return text;
  TopicId id;
  for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(random.next());
  auto written = log::write_checkpoint(disk, directory, cluster_file, id.to_string());
  if (!written) return fail(written.error());
  return id.to_string();
}

}  // namespace

void Responder::no_answer() const {
  if (Session* to = engine->session(session)) to->answer(number, Chain());
}

void Responder::close(const Error& why) const {
  Session* to = engine->session(session);
  if (to == nullptr) return;
  engine->warn("closing " + to->peer() + ": " + why.to_string());
  to->close();
}

Engine::Engine(Environment environment, Settings settings)
    : environment_(environment),
      settings_(std::move(settings)),
      topics_(environment.disk, settings_.data_directory, environment.random) {}

Engine::~Engine() {
  environment_.loop.cancel(maintenance_);
}

Result<void> Engine::start() {
  Disk& disk = environment_.disk;
  if (auto made = disk.make_directories(settings_.data_directory); !made) return made;
  auto lock = disk.lock(settings_.data_directory);
  if (!lock) return fail(lock.error());
  lock_ = *std::move(lock);
  auto recovered = topics_.open();
  if (!recovered) return fail(recovered.error());
  for (const auto& [directory, report] : *recovered) {
    warn("partition " + directory + ": cut " + std::to_string(report.cut_bytes) +
         " bytes of unacknowledged records, offsets " + std::to_string(report.cut_from.value) +
         " to " + std::to_string(report.cut_to.value) + "; they are kept in " + report.kept_in);
  }
  auto cluster_id = cluster_id_in(disk, settings_.data_directory, environment_.random);
  if (!cluster_id) return fail(cluster_id.error());
  cluster_id_ = *std::move(cluster_id);
  ConnectionLimits limits;
  limits.frame_bytes_max = settings_.request_bytes_max;
  auto listener = environment_.listening.listen(settings_.listen, limits, *this);
  if (!listener) return fail(listener.error());
  listener_ = *std::move(listener);
  arm_maintenance();
  return {};
}

Result<void> Engine::stop() {
  listener_.reset();
  sessions_.clear();
  sync_waits_.clear();
  records_waits_.clear();
  dirty_.clear();
  environment_.loop.cancel(std::exchange(maintenance_, 0));
  return topics_.close();
}

const Endpoint& Engine::advertised() const {
  return settings_.advertise.host.empty() ? listener_->local() : settings_.advertise;
}

ConnectionEvents* Engine::on_accept(std::unique_ptr<Connection> connection) {
  if (sessions_.size() >= settings_.connections_max) {
    warn("connection from " + connection->peer() + " turned away: there are " +
         std::to_string(settings_.connections_max) + " already (connections_max)");
    return nullptr;
  }
  const std::uint64_t id = ++last_session_;
  return sessions_.emplace(id, std::make_unique<Session>(*this, id, std::move(connection)))
      .first->second.get();
}

bool Engine::reserve_request(std::size_t bytes, Session& session) {
  // One request always fits, whatever its size: the frame limit bounds it.
  if (requests_bytes_ != 0 && requests_bytes_ + bytes > settings_.requests_bytes_max) {
    held_sessions_.push_back(session.id());
    return false;
  }
  requests_bytes_ += bytes;
  return true;
}

void Engine::release_request(std::size_t bytes) {
  requests_bytes_ -= bytes;
  if (bytes == 0 || held_sessions_.empty()) return;
  for (const std::uint64_t id : std::exchange(held_sessions_, {})) {
    if (Session* held = session(id)) held->resume();
  }
}

Session* Engine::session(std::uint64_t id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

void Engine::on_session_closed(Session& session, const Error& why) {
  if (!why.is(Errc::connection_lost)) warn(why.to_string());
  forget_later(session);
}

// A session is never destroyed inside one of its own callbacks.
void Engine::forget_later(Session& session) {
  environment_.loop.post([this, id = session.id()] { sessions_.erase(id); });
}

void Engine::on_request(Session& session, Slice frame) {
  auto request = wire::decode_request_header(frame);
  if (!request) {
    warn("closing " + session.peer() + ": " + request.error().to_string());
    return session.close();
  }
  dispatch(session, *request);
}

void Engine::dispatch(Session& session, const wire::RequestFrame& frame) {
  const Responder responder{this, session.id(), session.reserve_answer(),
                            frame.header.correlation_id, frame.header.api_version};
  for (const Handler& handler : handlers()) {
    if (handler.api.key != frame.header.api_key) continue;
    if (!handler.api.versions.contains(frame.header.api_version)) {
      if (handler.api.key == wire::ApiKey::api_versions) return answer_unknown_version(responder);
      return responder.close(Error::client(
          Errc::unsupported_version, std::string(wire::api_name(handler.api.key)) + " version " +
                                         std::to_string(frame.header.api_version)));
    }
    return handler.handle(*this, responder, frame.body);
  }
  responder.close(Error::client(
      Errc::unsupported_version,
      "request " + std::to_string(static_cast<int>(frame.header.api_key)) + " is not served"));
}

Offset Engine::high_watermark(const log::PartitionLog& partition) const {
  return settings_.durability == Durability::fsync ? partition.synced_end() : partition.end();
}

void Engine::make_durable(const std::vector<log::PartitionLog*>& partitions, Task done) {
  if (settings_.durability == Durability::os) {
    done();
    return wake_readers();
  }
  SyncWait wait;
  for (log::PartitionLog* partition : partitions) {
    dirty_.insert(partition);
    wait.wanted.emplace_back(partition, partition->end());
  }
  wait.done = std::move(done);
  sync_waits_.push_back(std::move(wait));
  // Posted, so that all requests of this turn share one sync.
  if (is_syncing_ || is_sync_posted_) return;
  is_sync_posted_ = true;
  environment_.loop.post([this] {
    is_sync_posted_ = false;
    start_sync();
  });
}

void Engine::start_sync() {
  if (is_syncing_ || dirty_.empty()) return;
  is_syncing_ = true;
  std::vector<std::shared_ptr<File>> files;
  std::vector<std::pair<log::PartitionLog*, Offset>> covered;
  for (log::PartitionLog* partition : std::exchange(dirty_, {})) {
    covered.emplace_back(partition, partition->end());
    for (auto& file : partition->dirty_files()) files.push_back(std::move(file));
  }
  environment_.disk.sync(std::move(files),
                         [this, covered = std::move(covered)](Result<void> outcome) mutable {
                           on_synced(std::move(covered), std::move(outcome));
                         });
}

void Engine::on_synced(std::vector<std::pair<log::PartitionLog*, Offset>> covered,
                       Result<void> outcome) {
  is_syncing_ = false;
  std::unordered_set<log::PartitionLog*> alive;
  for (const auto& [name, topic] : topics_.all()) {
    for (const auto& partition : topic.partitions) alive.insert(partition.get());
  }
  for (const auto& [partition, end] : covered) {
    if (!alive.contains(partition)) continue;
    if (outcome) {
      partition->synced(end);
    } else {
      partition->sync_failed(outcome.error());
    }
  }
  if (!outcome) warn("partitions go offline: " + outcome.error().to_string());
  finish_sync_waits();
  wake_readers();
  start_sync();
}

void Engine::finish_sync_waits() {
  std::vector<Task> done;
  for (auto wait = sync_waits_.begin(); wait != sync_waits_.end();) {
    const bool is_over = std::ranges::all_of(wait->wanted, [](const auto& wanted) {
      return wanted.first->offline() != nullptr || wanted.first->synced_end() >= wanted.second;
    });
    if (!is_over) {
      ++wait;
      continue;
    }
    done.push_back(std::move(wait->done));
    wait = sync_waits_.erase(wait);
  }
  for (Task& task : done) task();
}

void Engine::forget_partitions(const Topic& topic) {
  for (const auto& partition : topic.partitions) {
    dirty_.erase(partition.get());
    for (SyncWait& wait : sync_waits_) {
      std::erase_if(wait.wanted,
                    [&](const auto& wanted) { return wanted.first == partition.get(); });
    }
  }
}

void Engine::wait_for_records(TimePoint deadline,
                              std::move_only_function<bool(bool is_last)> attempt) {
  if (deadline <= now().mono) {
    attempt(true);
    return;
  }
  if (attempt(false)) return;
  records_waits_.push_back({std::move(attempt)});
  const auto wait = std::prev(records_waits_.end());
  wait->timer = environment_.loop.arm(deadline, [this, wait] {
    auto last = std::move(wait->attempt);
    records_waits_.erase(wait);
    last(true);
  });
}

void Engine::wake_readers() {
  for (auto wait = records_waits_.begin(); wait != records_waits_.end();) {
    if (!wait->attempt(false)) {
      ++wait;
      continue;
    }
    environment_.loop.cancel(wait->timer);
    wait = records_waits_.erase(wait);
  }
}

void Engine::arm_maintenance() {
  maintenance_ = environment_.loop.arm(now().mono + maintenance_interval, [this] {
    maintain();
    arm_maintenance();
  });
}

void Engine::maintain() {
  for (const auto& [name, topic] : topics_.all()) {
    for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
      log::PartitionLog& partition = *topic.partitions[i];
      if (partition.offline() != nullptr) continue;
      auto outcome = partition.retain(now());
      if (outcome && partition.recovery_point() < partition.synced_end()) {
        if (auto written = partition.write_recovery_point(); !written) {
          outcome = fail(written.error());
        }
      }
      if (!outcome)
        warn("partition " + name + "-" + std::to_string(i) + ": " + outcome.error().to_string());
    }
  }
}

}  // namespace dohle::node
