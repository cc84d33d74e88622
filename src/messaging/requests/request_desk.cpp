#include "messaging/requests/request_desk.hpp"

#include <utility>
#include <vector>

#include "messaging/reports/thrown_by.hpp"
#include "messaging/requests/request_headers.hpp"

namespace dohle::messaging {

namespace {

Error without_reply(const std::string& what) {
  return Error::client(Errc::timed_out, what + " has no reply in time");
}

Error disconnecting() {
  return Error::client(Errc::cancelled, "the broker disconnected before the reply came");
}

}  // namespace

Result<CorrelationId> RequestDesk::add(TimePoint deadline, std::string what,
                                       ReplyReceiver receiver) {
  // Outlives the lock if it is refused: a receiver's destructor may call the Broker.
  Waiting waiting{std::move(what), std::move(receiver)};
  const std::lock_guard lock(mutex_);
  if (is_closed_) return fail(disconnecting());
  auto id = table_.add(deadline, std::move(waiting));
  if (id) arm_for(deadline);
  return id;
}

void RequestDesk::arm_for(TimePoint deadline) {
  if (deadline >= armed_for_) return;
  armed_for_ = deadline;
  const auto client = client_.lock();
  if (!client) return;
  client->loop().post([weak = weak_from_this(), client = client_, deadline] {
    const auto alive = client.lock();
    const auto self = weak.lock();
    if (!alive || !self) return;
    // Deadlines are posted in the order in which armed_for_ changes, so the last one counts.
    alive->loop().cancel(self->timer_);
    self->timer_ = alive->loop().arm(deadline, [weak] {
      if (const auto waiting = weak.lock()) waiting->expire();
    });
  });
}

void RequestDesk::expire() {
  std::vector<Waiting> expired;
  {
    const std::lock_guard lock(mutex_);
    expired = table_.take_expired(monotonic_now());
    counts_.timed_out += expired.size();
    armed_for_ = never;
    if (table_.next_deadline() != never) arm_for(table_.next_deadline());
  }
  for (Waiting& each : expired) {
    const Error why = without_reply(each.what);
    tell(each, nullptr, &why);
  }
}

void RequestDesk::on_reply(RawEvent& reply) {
  const auto text = reply.header(correlation_header);
  Table::Reply found{Table::Kind::foreign};
  {
    const std::lock_guard lock(mutex_);
    found = table_.on_reply(text ? CorrelationId::parse(*text) : std::nullopt);
    if (found.kind == Table::Kind::expected) ++counts_.replies;
    if (found.kind == Table::Kind::late) ++counts_.late_replies;
    if (found.kind == Table::Kind::foreign) ++counts_.foreign_replies;
  }
  if (!found.waiting) return;
  if (const auto why = error_of(reply)) {
    const Error failure = why->within(found.waiting->what);
    return tell(*found.waiting, nullptr, &failure);
  }
  tell(*found.waiting, &reply, nullptr);
}

void RequestDesk::on_unsent(const CorrelationId& id, const Error& why) {
  std::optional<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = table_.take(id);
  }
  if (waiting) tell(*waiting, nullptr, &why);
}

bool RequestDesk::forget(const CorrelationId& id) {
  std::optional<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = table_.take(id);
  }
  return waiting.has_value();
}

std::optional<Error> RequestDesk::expire(const CorrelationId& id) {
  std::optional<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = table_.take(id);
    if (waiting) ++counts_.timed_out;
  }
  if (!waiting) return std::nullopt;
  return without_reply(waiting->what);
}

void RequestDesk::close() {
  std::vector<Waiting> all;
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    all = table_.take_all();
  }
  const Error why = disconnecting();
  for (Waiting& each : all) tell(each, nullptr, &why);
}

void RequestDesk::count_answer(bool with_error) {
  const std::lock_guard lock(mutex_);
  ++counts_.answered;
  if (with_error) ++counts_.answered_with_error;
}
void RequestDesk::count_expired() {
  const std::lock_guard lock(mutex_);
  ++counts_.expired;
}
void RequestDesk::count_undeliverable() {
  const std::lock_guard lock(mutex_);
  ++counts_.undeliverable;
}

RequestCounts RequestDesk::counts() const {
  const std::lock_guard lock(mutex_);
  RequestCounts counts = counts_;
  counts.under_way = table_.size();
  return counts;
}

void RequestDesk::tell(Waiting& waiting, RawEvent* reply, const Error* failure) {
  try {
    waiting.receiver(reply, failure);
  } catch (...) {
    reports_->logger().log(LogLevel::error, "messaging",
                           thrown_by("the callback of a request").to_string());
  }
}

}  // namespace dohle::messaging
