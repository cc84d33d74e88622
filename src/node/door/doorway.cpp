#include "node/door/doorway.hpp"

#include <algorithm>
#include <utility>

#include "node/limits.hpp"

namespace dohle::node {

Doorway::Doorway(DoorwayEvents& events, Executor& loop, Lines& lines, Options options)
    : events_(events),
      loop_(loop),
      lines_(lines),
      options_(std::move(options)),
      room_(sessions_, loop, lines, options_.max_requests_bytes) {}

Doorway::~Doorway() {
  *is_alive_ = false;
  close_all();
}

Result<Endpoint> Doorway::listen(Listening& listening, ListenAt where) {
  ConnectionLimits limits;
  limits.max_frame_bytes = options_.max_request_bytes;
  limits.max_write_queue_bytes = limits::max_unread_bytes_per_connection;
  limits.idle_timeout = limits::connection_idle_timeout;
  auto entrance = std::make_unique<Entrance>(*this, Way{std::move(where.name), where.advertise});
  auto listener = listening.listen(where.at, limits, *entrance);
  if (!listener) return fail(listener.error());
  entrance->listener = *std::move(listener);
  Endpoint local = entrance->listener->local();
  Endpoint& advertised = entrance->way.advertised;
  if (advertised.host.empty()) advertised = local;
  if (advertised.port == 0) advertised.port = local.port;
  entrances_.push_back(std::move(entrance));
  return local;
}

// --- connections

ConnectionEvents* Doorway::Entrance::on_accept(std::unique_ptr<Connection> connection) {
  return doorway.accept(std::move(connection), way);
}

ConnectionEvents* Doorway::accept(std::unique_ptr<Connection> connection, const Way& way) {
  if (sessions_.size() >= options_.max_connections) {
    lines_.complain("a connection of " + connection->peer() + " is refused: there are " +
                    std::to_string(options_.max_connections) + " already (" +
                    options_.connections_bound + ")");
    return nullptr;
  }
  return &sessions_.add(
      std::make_unique<Session>(*this, ++last_session_, way, std::move(connection)));
}

void Doorway::on_session_closed(Session& session, const Error& why) {
  const bool is_usual = why.is(Errc::connection_lost) || why.is(Errc::timed_out);
  if (!is_usual) lines_.complain(why.message());
  forget_later(session);
}

void Doorway::forget_later(Session& session) {
  events_.on_gone(session);
  room_.forget(session);
  loop_.post([this, id = session.id(), alive = is_alive_] {
    if (*alive) sessions_.erase(id);
  });
}

// --- ends

void Doorway::drain() {
  // Keeps the ways, because sessions refer to them.
  for (const auto& entrance : entrances_) entrance->listener.reset();
  for (const auto& [id, session] : sessions_.all()) session->drain();
}

bool Doorway::is_idle() const {
  return std::ranges::all_of(sessions_.all(),
                             [](const auto& entry) { return entry.second->is_idle(); });
}

// A session that closes frees its room, which must not resume another closing session.
void Doorway::close_all() {
  room_.forget_all();
  sessions_.clear();
}

}  // namespace dohle::node
