#include "node/serve/dispatcher.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/disk.hpp"
#include "node/door/request_faults.hpp"
#include "node/limits.hpp"
#include "node/serve/handlers/handlers.hpp"
#include "node/turn.hpp"

namespace dohle::node {

namespace {

// Interval of looking at blocked connections again, and maximum wait for the last connection served
// beyond the budget, which may never read its answer.
constexpr auto blocked_interval = std::chrono::milliseconds(5);

}  // namespace

Dispatcher::Dispatcher(const NodeParts& node, std::size_t max_unread_answer_bytes)
    : Dispatcher(node, node, max_unread_answer_bytes) {}

Dispatcher::Dispatcher(const NodeParts& all, const Needed& node,
                       std::size_t max_unread_answer_bytes)
    : all_parts_(all),
      authorizer_(node.get<Authorizer>()),
      sessions_(node.get<Sessions>()),
      storage_(node.get<Storage>()),
      lines_(node.get<Lines>()),
      loop_(node.get<Executor>()),
      disk_(node.get<Disk>()),
      faults_(node.get<RequestFaults>()),
      max_unread_bytes_(max_unread_answer_bytes) {}

Dispatcher::~Dispatcher() {
  *is_alive_ = false;
  loop_.cancel(watch_);
}

void Dispatcher::check_invariants() const {
  std::size_t unread = 0;
  for (const auto& [id, session] : sessions_.all()) unread += session->noted_unread_bytes();
  DOHLE_ASSERT(unread == unread_bytes_, "unread answers are miscounted");
  DOHLE_ASSERT(turns_.size() + blocked_.size() == waiting_.size(),
               "a request waits that has no turn, or two");
  DOHLE_ASSERT(turns_.empty() || is_posted_, "requests have a turn and no task is posted");
  DOHLE_ASSERT(blocked_.empty() || is_posted_ || watch_ != 0,
               "requests wait for others to read and no timer is armed");
  for (const auto& [id, work] : waiting_) {
    DOHLE_ASSERT(sessions_.find(id) != nullptr, "a request waits after its connection is gone");
    DOHLE_ASSERT(work.frame.empty() || !work.rest, "a request waits as a whole and as a rest");
    DOHLE_ASSERT(!asleep_.contains(id), "a connection waits for its turn and for something else");
  }
}

// --- requests

void Dispatcher::take(Session& session, Slice frame) {
  if (faults_ != nullptr) [[unlikely]] {
    const Duration delay = faults_->delay();
    if (delay > Duration::zero()) return serve_later(session, std::move(frame), delay);
  }
  if (!waiting_.empty() || is_turn_over(loop_) || !has_answer_budget(session)) {
    return wait(session, {std::move(frame), nullptr});
  }
  serve(session, frame);
}

void Dispatcher::serve_later(Session& session, Slice frame, Duration delay) {
  const std::uint64_t id = session.id();
  sleep(session, [this, id, frame = std::move(frame)] {
    if (Session* const from = sessions_.find(id)) serve(*from, frame);
    return Progress::answered;
  });
  loop_.arm(loop_.tick().mono + delay, waker(id));
}

void Dispatcher::serve(Session& session, const Slice& frame) {
  auto request = wire::decode_request_header(frame);
  if (request) {
    handle(session, *std::move(request));
  } else {
    lines_.complain("closing the connection of " + session.peer() + ": " +
                    std::string(request.error().message()));
    session.close();
  }
  after_request(session);
}

void Dispatcher::handle(Session& session, wire::RequestFrame frame) {
  const std::int16_t version = frame.header.api_version;
  Call call{
      all_parts_,
      Access(storage_.topics(), authorizer_, session.principal()),
      session.way(),
      session.peer(),
      std::move(frame.header.client_id).value_or(""),
      Responder(sessions_, lines_,
                {session.id(), session.reserve_answer(), frame.header.correlation_id, version}),
      version,
      loop_.tick()};
  if (lines_.has_traces()) trace(call, frame.header);
  const Handler* handler = find_handler(frame.header.api_key);
  if (handler == nullptr) {
    return call.responder.close(Error::client(
        Errc::unsupported_version,
        "request " + std::to_string(static_cast<int>(frame.header.api_key)) + " is not served"));
  }
  if (faults_ != nullptr) [[unlikely]]
    faults_->on_request(handler->api.key);
  if (handler->api.versions.contains(version)) return handler->handle(call, frame.body);
  if (handler->api.key == wire::ApiKey::api_versions) return answer_unknown_version(call);
  call.responder.close(Error::client(
      Errc::unsupported_version,
      std::string(wire::api_name(handler->api.key)) + " version " + std::to_string(version)));
}

void Dispatcher::trace(const Call& call, const wire::RequestHeader& header) {
  lines_.trace(call.access.who().to_string() + " at " + call.peer + " sends " +
               std::string(wire::api_name(header.api_key)) + " version " +
               std::to_string(header.api_version) + " as client \"" +
               shortened(call.client_id, 100) + "\"");
}

void Dispatcher::go_on(std::uint64_t session, Rest rest) {
  Progress progress = Progress::more;
  do {
    progress = rest();
    if (progress == Progress::answered) return;
  } while (progress == Progress::more && !is_turn_over(loop_));
  Session* from = sessions_.find(session);
  if (from == nullptr) return;
  if (progress == Progress::waits) return sleep(*from, std::move(rest));
  wait(*from, {{}, std::move(rest)});
}

void Dispatcher::go_on_after(std::uint64_t session, Task job, Rest rest) {
  Session* from = sessions_.find(session);
  if (from == nullptr) return;
  sleep(*from, std::move(rest));
  disk_.run(std::move(job), waker(session));
}

void Dispatcher::run_beside(Task job, Task then) {
  disk_.run(std::move(job), [then = std::move(then), alive = is_alive_]() mutable {
    if (*alive) then();
  });
}

void Dispatcher::sleep(Session& session, Rest rest) {
  if (session.state() == Session::State::closing) return;
  DOHLE_ASSERT(!waiting_.contains(session.id()), "a connection has two requests under way");
  session.hold_for_turn();
  asleep_.insert_or_assign(session.id(), std::move(rest));
}

void Dispatcher::wake(std::uint64_t session) {
  auto node = asleep_.extract(session);
  Session* from = sessions_.find(session);
  if (!node.empty() && from != nullptr) wait(*from, {{}, std::move(node.mapped())});
}

void Dispatcher::note_trailing_bytes(const Call& call, const wire::Api& api) {
  const Session* from = sessions_.find(call.responder.session());
  if (from == nullptr || told_of_trailing_bytes_.size() >= limits::max_client_software) return;
  const std::string& software = from->software();
  if (!told_of_trailing_bytes_.insert(software).second || !lines_.has_information()) return;
  const std::string client = software.empty() ? "a client that gives no name" : software;
  lines_.inform(client + " sends bytes after the last field of " +
                std::string(wire::api_name(api.key)) + " version " + std::to_string(call.version) +
                ", which are ignored; this line is logged once for each client software");
}

Task Dispatcher::waker(std::uint64_t session) {
  return [this, session, alive = is_alive_] {
    if (*alive) wake(session);
  };
}

// --- turns

void Dispatcher::wait(Session& session, Waiting work) {
  if (session.state() == Session::State::closing) return;
  DOHLE_ASSERT(!waiting_.contains(session.id()) && !asleep_.contains(session.id()),
               "a connection has two requests under way");
  session.hold_for_turn();
  waiting_.insert_or_assign(session.id(), std::move(work));
  turns_.wait(session.id(), session.turn_mark());
  run_later();
}

void Dispatcher::run_later() {
  if (std::exchange(is_posted_, true)) return;
  loop_.post([this, alive = is_alive_] {
    if (*alive) run();
  });
}

// At least one request is served in each turn.
void Dispatcher::run() {
  is_posted_ = false;
  let_blocked_go();
  last_look_ = loop_.mono_now();
  do {
    const auto next = turns_.take();
    if (!next) break;
    Session* session = sessions_.find(*next);
    if (session == nullptr) continue;
    if (has_answer_budget(*session)) {
      run_one(*session);
    } else {
      blocked_.push_back(*next);
    }
  } while (!is_turn_over(loop_));
  if (!turns_.empty()) run_later();
  watch_blocked();
}

void Dispatcher::run_one(Session& session) {
  auto node = waiting_.extract(session.id());
  if (node.empty()) return;
  Waiting work = std::move(node.mapped());
  if (work.rest) {
    go_on(session.id(), std::move(work.rest));
    after_request(session);
  } else {
    serve(session, work.frame);
  }
  const bool goes_on = waiting_.contains(session.id()) || asleep_.contains(session.id());
  if (!goes_on) session.end_hold_for_turn();
}

// A connection beyond the budget sends its answer at once, so that the next one may be served in
// the same turn.
void Dispatcher::after_request(Session& session) {
  if (exceeding_ == session.id()) session.flush_answers();
  const TimePoint now = loop_.mono_now();
  turns_.charge(session.turn_mark(), now - std::max(last_look_, loop_.tick().mono));
  last_look_ = now;
}

// --- unread answers

void Dispatcher::note_unread(Session& session) {
  const std::size_t before = session.noted_unread_bytes();
  DOHLE_ASSERT(before <= unread_bytes_, "a session has more unread than all together");
  unread_bytes_ += session.note_unread_bytes(loop_.tick().mono) - before;
}

bool Dispatcher::has_answer_budget(const Session& session) {
  if (!is_over_budget()) return true;
  if (session.noted_unread_bytes() > 0) return false;
  const TimePoint now = loop_.tick().mono;
  const Session* exceeding = exceeding_ == session.id() ? nullptr : sessions_.find(exceeding_);
  const bool is_read = exceeding == nullptr || exceeding->noted_unread_bytes() == 0;
  if (!is_read && now < exceeding_since_ + blocked_interval) return false;
  exceeding_ = session.id();
  exceeding_since_ = now;
  return true;
}

// Counts read answers at most once in a turn, and only at the limit.
bool Dispatcher::is_over_budget() {
  const TimePoint now = loop_.tick().mono;
  if (unread_bytes_ >= max_unread_bytes_ && std::exchange(unread_looked_at_, now) != now) {
    look_at_unread();
  }
  const bool is_over = unread_bytes_ >= max_unread_bytes_;
  over_since_ = is_over ? std::min(over_since_, now) : never;
  if (!is_over) exceeding_ = 0;
  return is_over;
}

void Dispatcher::look_at_unread() {
  for (const auto& [id, session] : sessions_.all()) note_unread(*session);
}

void Dispatcher::let_blocked_go() {
  if (blocked_.empty()) return;
  const bool is_over = is_over_budget();
  std::erase_if(blocked_, [&](std::uint64_t id) {
    Session* session = sessions_.find(id);
    if (session == nullptr) return true;
    if (is_over && session->noted_unread_bytes() > 0) return false;
    turns_.wait(id, session->turn_mark());
    return true;
  });
}

void Dispatcher::watch_blocked() {
  if (blocked_.empty() || watch_ != 0) return;
  watch_ = loop_.arm(loop_.tick().mono + blocked_interval, [this] {
    watch_ = 0;
    if (blocked_.empty()) return;
    close_who_reads_nothing();
    run_later();
  });
}

void Dispatcher::close_who_reads_nothing() {
  const TimePoint then = loop_.tick().mono - limits::unread_answers_timeout;
  if (!silent_.empty() || !is_over_budget() || over_since_ > then) return;
  for (const auto& [id, session] : sessions_.all()) {
    if (!session->reads_nothing_since(then)) continue;
    const auto waiting = std::ranges::find_if(blocked_, [&](std::uint64_t other) {
      return other != session->id() && sessions_.find(other) != nullptr;
    });
    if (waiting != blocked_.end()) silent_.push_back({id, sessions_.find(*waiting)->peer()});
  }
  close_silent();
}

// At least one is closed in each turn.
void Dispatcher::close_silent() {
  const TimePoint then = loop_.tick().mono - limits::unread_answers_timeout;
  while (!silent_.empty()) {
    const Silent next = std::move(silent_.back());
    silent_.pop_back();
    Session* session = sessions_.find(next.session);
    if (session == nullptr || !session->reads_nothing_since(then)) continue;
    lines_.complain("closing the connection of " + session->peer() + ": it has read nothing of " +
                    std::to_string(session->noted_unread_bytes()) + " bytes of answers for " +
                    std::to_string(limits::unread_answers_timeout.count()) + " s, and " +
                    next.waiting + " waits for memory (" + std::to_string(max_unread_bytes_) +
                    " bytes, max_unread_answer_bytes)");
    session->abort();
    if (is_turn_over(loop_)) break;
  }
  if (silent_.empty()) return;
  loop_.post([this, alive = is_alive_] {
    if (*alive) close_silent();
  });
}

// --- ends

void Dispatcher::forget(const Session& session) {
  if (exceeding_ == session.id()) exceeding_ = 0;
  asleep_.erase(session.id());
  if (waiting_.erase(session.id()) == 0) return;
  turns_.forget(session.id());
  std::erase(blocked_, session.id());
}

void Dispatcher::drop_all() {
  turns_.clear();
  blocked_.clear();
  waiting_.clear();
  asleep_.clear();
  silent_.clear();
  unread_bytes_ = 0;
  loop_.cancel(std::exchange(watch_, 0));
}

}  // namespace dohle::node
