#include "node/door/doorway.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/security_protocols.hpp"
#include "node/limits.hpp"
#include "node/security/origin.hpp"

namespace dohle::node {

namespace {

// The step that a connection has not finished in time, as text.
std::string lack_of(const Session& session) {
  return session.is_in_handshake() ? "it has not finished its TLS handshake"
                                   : "it has not logged in";
}

}  // namespace

Doorway::Doorway(DoorwayEvents& events, Executor& loop, Lines& lines, Logins logins,
                 Options options)
    : events_(events),
      loop_(loop),
      lines_(lines),
      logins_(logins),
      options_(std::move(options)),
      room_(sessions_, loop, lines, {options_.max_requests_bytes, "max_requests_bytes"}),
      newcomers_room_(sessions_, loop, lines,
                      {limits::max_unauthenticated_bytes, "max_unauthenticated_bytes"}) {}

Doorway::~Doorway() {
  *is_alive_ = false;
  loop_.cancel(newcomers_timer_);
  close_all();
}

Result<Endpoint> Doorway::listen(Listening& listening, ListenAt where) {
  ConnectionLimits limits;
  limits.max_frame_bytes = options_.max_request_bytes;
  limits.max_write_queue_bytes = limits::max_unread_bytes_per_connection;
  limits.idle_timeout = limits::connection_idle_timeout;
  auto entrance = std::make_unique<Entrance>(
      *this, Way{std::move(where.name), where.advertise, has_sasl(where.protocol),
                 has_tls(where.protocol), std::move(where.rules)});
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
  if (options_.faults != nullptr && options_.faults->refuses_connection()) return nullptr;
  if (sessions_.size() >= options_.max_connections) {
    lines_.complain("a connection of " + connection->peer() + " is refused: there are " +
                    std::to_string(options_.max_connections) + " already (" +
                    options_.connections_bound + ")");
    return nullptr;
  }
  if (way.authenticates || way.is_encrypted) add_newcomer(last_session_ + 1, connection->peer());
  return &sessions_.add(
      std::make_unique<Session>(*this, ++last_session_, way, std::move(connection)));
}

void Doorway::check_invariants() const {
  room_.check_invariants();
  newcomers_room_.check_invariants();
  DOHLE_ASSERT(newcomers_.size() <= limits::max_unauthenticated_connections,
               "more connections wait for their login than may");
  DOHLE_ASSERT(newcomers_.empty() || newcomers_timer_ != 0,
               "connections wait for their login without a timer");
  newcomers_.check_invariants();
  DOHLE_ASSERT(newcomers_.empty() || sessions_.find(newcomers_.oldest()) != nullptr,
               "a connection that is gone waits for its login");
}

// --- logins

std::unique_ptr<Authentication> Doorway::new_authentication() {
  return std::make_unique<Authentication>(options_.logins, logins_.users, logins_.random);
}

void Doorway::add_newcomer(std::uint64_t session, const std::string& peer) {
  newcomers_.add(session, origin_of(peer), now() + limits::authentication_timeout);
  if (newcomers_.size() > limits::max_unauthenticated_connections) close_excess_newcomer();
  watch_newcomers();
}

// The newest is never the one, since it is the only one of its origin if that has the most.
void Doorway::close_excess_newcomer() {
  const Newcomers::Excess excess = newcomers_.excess();
  Session* session = sessions_.find(excess.id);
  complain_of(*session, lack_of(*session) + " and is the oldest of the " +
                            std::to_string(excess.of_origin) +
                            " of its address, which has most of such connections; at most " +
                            std::to_string(limits::max_unauthenticated_connections) +
                            " are allowed (max_unauthenticated_connections)");
  session->abort();
}

void Doorway::watch_newcomers() {
  if (newcomers_timer_ != 0 || newcomers_.empty()) return;
  newcomers_timer_ = loop_.arm(newcomers_.first_until(), [this, alive = is_alive_] {
    if (!*alive) return;
    newcomers_timer_ = 0;
    close_overdue_newcomers();
  });
}

void Doorway::close_overdue_newcomers() {
  while (!newcomers_.empty() && newcomers_.first_until() <= now()) {
    Session* session = sessions_.find(newcomers_.oldest());
    complain_of(*session, lack_of(*session) + " within " +
                              std::to_string(limits::authentication_timeout.count()) +
                              " s (authentication_timeout)");
    session->abort();
  }
  watch_newcomers();
}

void Doorway::check_password(Session& session, ServedLogin::Check check, bool is_known) {
  logins_.checks.check(
      session.id(),
      {std::move(check.password), std::move(check.against), is_known, origin_of(session.peer())},
      [this, id = session.id()](bool is_right) {
        Session* of = sessions_.find(id);
        if (of != nullptr) of->on_password_checked(is_right);
      });
}

void Doorway::on_authenticated(Session& session) {
  newcomers_.remove(session.id());
  if (!lines_.has_traces()) return;
  lines_.trace(session.peer() + " logged in on " + session.way().name + " as " +
               session.principal()->to_string());
}

void Doorway::on_opened(Session& session) {
  const Way& way = session.way();
  if (!way.authenticates) newcomers_.remove(session.id());
  if (!way.is_encrypted || !lines_.has_traces()) return;
  lines_.trace(session.peer() + " set up TLS on " + way.name + " as " +
               session.principal()->to_string());
}

void Doorway::refuse_later(Session& session, const std::string& why) {
  complain_of(session, why);
  loop_.arm(now() + limits::failed_authentication_delay,
            [this, id = session.id(), alive = is_alive_] {
              Session* of = *alive ? sessions_.find(id) : nullptr;
              if (of != nullptr) of->end_refusal();
            });
}

void Doorway::complain_of(const Session& session, const std::string& why) {
  lines_.complain("closing the connection of " + session.peer() + " on " + session.way().name +
                  ": " + why);
}

// --- ends of connections

void Doorway::on_session_closed(Session& session, const Error& why) {
  const bool is_usual = why.is(Errc::connection_lost) || why.is(Errc::timed_out);
  if (session.is_in_handshake()) {
    lines_.complain(why.within("listener " + session.way().name).message());
  } else if (!is_usual) {
    lines_.complain(why.message());
  }
  forget_later(session);
}

void Doorway::forget_later(Session& session) {
  newcomers_.remove(session.id());
  logins_.checks.forget(session.id());
  events_.on_gone(session);
  session.room().forget(session);
  free_later(session.id());
}

void Doorway::free_later(std::uint64_t session) {
  loop_.post([this, id = session, alive = is_alive_] {
    Session* gone = *alive ? sessions_.find(id) : nullptr;
    if (gone == nullptr) return;
    if (gone->free_some(loop_)) return sessions_.erase(id);
    free_later(id);
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
  newcomers_room_.forget_all();
  newcomers_.clear();
  sessions_.clear();
}

}  // namespace dohle::node
