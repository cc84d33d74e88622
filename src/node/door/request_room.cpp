#include "node/door/request_room.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "node/limits.hpp"

namespace dohle::node {

RequestRoom::RequestRoom(const Sessions& sessions, Executor& loop, Lines& lines, Bound bound)
    : sessions_(sessions), loop_(loop), lines_(lines), bound_(bound) {}

RequestRoom::~RequestRoom() {
  loop_.cancel(watch_);
}

std::vector<Session*> RequestRoom::its_sessions() const {
  std::vector<Session*> its;
  for (const auto& [id, session] : sessions_.all()) {
    if (&session->room() == this) its.push_back(session.get());
  }
  return its;
}

void RequestRoom::check_invariants() const {
  std::size_t bytes = 0;
  for (const Session* session : its_sessions()) bytes += session->reserved_bytes();
  DOHLE_ASSERT(bytes == bytes_, "the memory of requests is miscounted");
  DOHLE_ASSERT(bytes <= bound_.max_bytes || exceeding_ != 0,
               "requests exceed the bound, and none may");
  DOHLE_ASSERT(exceeding_ == 0 || sessions_.find(exceeding_) != nullptr,
               "the session with the exceeding request does not exist");
  DOHLE_ASSERT(held_.empty() || watch_ != 0, "requests wait for memory and no timer is armed");
}

bool RequestRoom::reserve(std::size_t bytes, const Session& session) {
  const bool fits = has_room_for(bytes);
  // All requests may be incomplete and wait for each other, so one always continues. Only the
  // frame limit bounds it.
  if (!fits && exceeding_ == 0) exceeding_ = session.id();
  if (!fits && exceeding_ != session.id()) {
    held_.push_back({session.id(), bytes});
    watch();
    return false;
  }
  bytes_ += bytes;
  return true;
}

void RequestRoom::give_back(std::size_t bytes) {
  DOHLE_ASSERT(bytes <= bytes_, "more room is given back than requests hold");
  bytes_ -= bytes;
  bool may_exceed = exceeding_ == 0;
  for (const Held& held : std::exchange(held_, {})) {
    Session* to = sessions_.find(held.session);
    if (to == nullptr) continue;
    if (has_room_for(held.bytes) || std::exchange(may_exceed, false)) {
      to->resume();
    } else {
      held_.push_back(held);
    }
  }
}

void RequestRoom::release(std::size_t bytes, const Session& session) {
  if (exceeding_ == session.id()) exceeding_ = 0;
  if (bytes > 0) give_back(bytes);
}

void RequestRoom::forget(const Session& session) {
  std::erase_if(held_, [&](const Held& held) { return held.session == session.id(); });
}

void RequestRoom::forget_all() {
  held_.clear();
  loop_.cancel(std::exchange(watch_, 0));
}

void RequestRoom::watch() {
  if (watch_ != 0) return;
  counted_since_ = loop_.tick().mono;
  for (Session* session : its_sessions()) session->begin_to_count();
  watch_ = loop_.arm(counted_since_ + limits::slow_request_period, [this] {
    watch_ = 0;
    close_slow_senders();
  });
}

void RequestRoom::close_slow_senders() {
  std::erase_if(held_,
                [this](const Held& held) { return sessions_.find(held.session) == nullptr; });
  if (held_.empty()) return;
  std::vector<Session*> slow;
  for (Session* session : its_sessions()) {
    const bool is_slow = session->counted_bytes() < limits::min_request_bytes_per_period;
    if (is_slow && session->sends_since(counted_since_)) slow.push_back(session);
  }
  std::ranges::sort(
      slow, {}, [](const Session* each) { return std::pair(each->counted_bytes(), each->id()); });
  const Held first = held_.front();
  const std::string waiting_peer = sessions_.find(first.session)->peer();
  std::size_t freed = 0;
  for (Session* each : slow) {
    if (bytes_ - freed + first.bytes <= bound_.max_bytes) break;
    freed += each->reserved_bytes();
    lines_.complain("closing the connection of " + each->peer() + ": its request holds " +
                    std::to_string(each->reserved_bytes()) + " bytes, " +
                    std::to_string(each->counted_bytes()) + " came in the last " +
                    std::to_string(limits::slow_request_period.count()) + " s, fewer than " +
                    std::to_string(limits::min_request_bytes_per_period) + ", and " + waiting_peer +
                    " waits for memory (" + std::to_string(bound_.max_bytes) + " bytes, " +
                    std::string(bound_.name) + ")");
    each->abort();
  }
  watch();
}

}  // namespace dohle::node
