#include "messaging/failures/retry_policy.hpp"

#include <algorithm>

namespace dohle::messaging {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// The policy that an action means. Absent for retry.
std::optional<FailurePolicy> policy_of(FailureAction action) {
  switch (action) {
    case FailureAction::hold:
      return FailurePolicy::hold;
    case FailureAction::skip:
      return FailurePolicy::skip;
    case FailureAction::dead_letter:
      return FailurePolicy::dead_letter;
    case FailureAction::stop:
      return FailurePolicy::stop;
    case FailureAction::retry:
      break;
  }
  return std::nullopt;
}

}  // namespace

bool is_permanent(const Error& why) {
  return why.is(Errc::codec_failed) || why.is_fatal();
}

RetryPolicy::Decision RetryPolicy::decide(const Failed& failed) {
  if (const auto asked = policy_of(failed.asked)) return give_up(*asked);
  if (is_permanent(failed.why)) return give_up(settings_.failure_policy);
  if (failed.wanted_level > failed.level) return UseRetryTopic{failed.wanted_level};
  if (failed.level == 0 && failed.attempt <= settings_.max_retries) {
    return RetryInPlace{wait_before(failed.attempt)};
  }
  if (failed.level < settings_.topic_delays.size()) return UseRetryTopic{failed.level + 1};
  return give_up(settings_.failure_policy);
}

RetryPolicy::GiveUp RetryPolicy::give_up(FailurePolicy policy) const {
  const bool is_possible = policy != FailurePolicy::dead_letter || settings_.has_dead_letters;
  return GiveUp{is_possible ? policy : settings_.failure_policy};
}

nanoseconds RetryPolicy::wait_before(int retry) {
  const nanoseconds longest = std::max(settings_.max_retry_delay, settings_.retry_delay);
  nanoseconds wait = settings_.retry_delay;
  for (int doubled = 1; doubled < retry && wait < longest && wait.count() > 0; ++doubled) wait *= 2;
  wait = std::min(wait, longest);
  // Up to a fifth more, so that members that failed together do not retry together.
  return wait + nanoseconds(static_cast<std::int64_t>(
                    random_.below(static_cast<std::uint64_t>(wait.count() / 5) + 1)));
}

std::optional<std::size_t> RetryPolicy::level_after(std::size_t level, milliseconds least) const {
  for (std::size_t next = level + 1; next <= settings_.topic_delays.size(); ++next) {
    if (delay_of(next) >= least) return next;
  }
  return std::nullopt;
}

}  // namespace dohle::messaging
