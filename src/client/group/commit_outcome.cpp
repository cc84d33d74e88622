#include "client/group/commit_outcome.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "base/topic_name.hpp"

namespace dohle::client {

namespace {

constexpr std::size_t max_named = 10;

/// "orders-0, orders-2 (OFFSET_METADATA_TOO_LARGE)": codes other than the first one's are named.
std::string names_of(const std::vector<RefusedOffset>& refused) {
  const Error& first = refused.front().why;
  std::string names;
  for (std::size_t at = 0; at < std::min(refused.size(), max_named); ++at) {
    const RefusedOffset& each = refused[at];
    if (at > 0) names += ", ";
    names += partition_name(each.partition.topic, each.partition.partition);
    const bool is_same = each.why.category() == first.category() && each.why.code() == first.code();
    if (!is_same) names += fmt::format(" ({})", each.why.name());
  }
  if (refused.size() > max_named) {
    names += fmt::format(" and {} more", refused.size() - max_named);
  }
  return names;
}

std::string fate_of_others(const CommitOutcome& outcome) {
  const std::size_t others = outcome.offsets - std::min(outcome.offsets, outcome.refused.size());
  if (others == 0) return {};
  const std::string number = others == 1 ? std::string("the other offset is")
                                         : fmt::format("the other {} offsets are", others);
  if (outcome.others) return fmt::format(" ({} committed)", number);
  return fmt::format(" ({} not known to be committed: {})", number,
                     outcome.others.error().to_string());
}

}  // namespace

Result<void> CommitOutcome::as_one() const {
  if (refused.empty()) return others;
  const std::string what = "commit " + names_of(refused) + fate_of_others(*this);
  const Error& first = refused.front().why;
  if (first.category() != ErrorCategory::broker) return fail(first.within(what));
  return fail(Error::broker(first.code(), what, first.server_message()));
}

}  // namespace dohle::client
