#include "testing/faults.hpp"

#include <algorithm>
#include <utility>

#include "base/broker_errors.hpp"
#include "messaging/failures/retry_topics.hpp"

namespace dohle::test_environment {

void Faults::refuse_connections(std::size_t count) {
  const std::lock_guard lock(mutex_);
  refused_connections_ = count;
}

void Faults::delay_requests(Duration by) {
  const std::lock_guard lock(mutex_);
  delay_ = by;
}

void Faults::fail_produces(std::int16_t code, std::size_t count, std::string topic) {
  const std::lock_guard lock(mutex_);
  produces_.push_back({code, count, std::move(topic)});
}

void Faults::fail_commits(std::int16_t code, std::size_t count) {
  const std::lock_guard lock(mutex_);
  commits_.push_back({code, count});
}

void Faults::clear() {
  const std::lock_guard lock(mutex_);
  refused_connections_ = 0;
  delay_ = {};
  produces_.clear();
  commits_.clear();
}

std::size_t Faults::left() const {
  const std::lock_guard lock(mutex_);
  std::size_t all = refused_connections_;
  const auto add = [&all](const std::vector<Refusals>& some) {
    // Their sum may be more than the type holds: "for ever" is the largest number.
    for (const Refusals& each : some) all += std::min(each.left, SIZE_MAX - all);
  };
  add(produces_);
  add(commits_);
  return all;
}

void Faults::on_request(wire::ApiKey api) {
  switch (api) {
    case wire::ApiKey::produce:
    case wire::ApiKey::offset_commit:
    case wire::ApiKey::join_group:
    case wire::ApiKey::sync_group:
    case wire::ApiKey::leave_group:
      ++changes_;
      break;
    default:
      break;
  }
}

Duration Faults::delay() {
  const std::lock_guard lock(mutex_);
  return delay_;
}

bool Faults::refuses_connection() {
  const std::lock_guard lock(mutex_);
  if (refused_connections_ == 0) return false;
  if (refused_connections_ != SIZE_MAX) --refused_connections_;
  return true;
}

std::int16_t Faults::take(std::vector<Refusals>& all, std::string_view topic) {
  const auto found = std::ranges::find_if(
      all, [topic](const Refusals& each) { return each.topic.empty() || each.topic == topic; });
  if (found == all.end()) return broker_error::none;
  const std::int16_t code = found->code;
  if (found->left == SIZE_MAX) return code;
  --found->left;
  if (found->left == 0) all.erase(found);
  return code;
}

std::int16_t Faults::refuses_records(std::string_view topic) {
  const std::lock_guard lock(mutex_);
  return take(produces_, topic);
}

std::int16_t Faults::refuses_offsets(std::string_view /*group*/) {
  const std::lock_guard lock(mutex_);
  return take(commits_, {});
}

std::int32_t Faults::partitions_on_first_use(std::string_view topic) {
  const bool is_for_failures =
      messaging::is_retry_name(topic) || messaging::is_dead_letter_name(topic);
  return is_for_failures ? 0 : partitions_;
}

}  // namespace dohle::test_environment
