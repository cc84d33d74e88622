#include "messaging/reports/failure_lines.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/topic_name.hpp"

namespace dohle::messaging {

namespace {

constexpr std::chrono::seconds line_period{1};
constexpr std::size_t max_ranges = 8;

std::string_view plural_of(Failure::Kind kind) {
  switch (kind) {
    case Failure::Kind::decode:
      return "messages that cannot be decoded";
    case Failure::Kind::handler:
      return "failures of handlers";
    case Failure::Kind::delivery:
      return "failed deliveries";
    case Failure::Kind::subscription:
      return "failures of subscriptions";
    case Failure::Kind::redirect:
      return "messages that could not be redirected";
    case Failure::Kind::held:
      break;
  }
  return "held partitions";
}

}  // namespace

std::optional<std::string> FailureLines::admit(const Failure& failure, TimePoint now) {
  Kind& kind = kinds_[static_cast<std::size_t>(failure.kind)];
  if (now < kind.next) {
    leave_out(failure, kind);
    return std::nullopt;
  }
  kind.next = now + line_period;
  const std::string earlier = take(failure.kind, kind);
  return earlier.empty() ? earlier : " (and before it " + earlier + ")";
}

std::vector<std::string> FailureLines::take_left_out(TimePoint now) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    Kind& kind = kinds_[i];
    if (kind.left_out == 0 || now < kind.next) continue;
    if (now < TimePoint::max()) kind.next = now + line_period;
    lines.push_back(take(static_cast<Failure::Kind>(i), kind));
  }
  return lines;
}

void FailureLines::leave_out(const Failure& failure, Kind& kind) {
  ++kind.left_out;
  if (failure.offset.is_none()) return;
  const auto found = std::ranges::find_if(kind.ranges, [&](const Range& range) {
    return range.partition == failure.partition && range.topic == failure.topic;
  });
  if (found != kind.ranges.end()) {
    found->first = std::min(found->first, failure.offset);
    found->last = std::max(found->last, failure.offset);
    ++found->count;
  } else if (kind.ranges.size() < max_ranges) {
    kind.ranges.push_back(
        {std::string(failure.topic), failure.partition, failure.offset, failure.offset, 1});
  }
}

std::string FailureLines::take(Failure::Kind kind, Kind& of) {
  const std::uint64_t count = std::exchange(of.left_out, 0);
  const auto ranges = std::exchange(of.ranges, {});
  if (count == 0) return {};
  std::string text = std::to_string(count) + " more " + std::string(plural_of(kind));
  std::uint64_t placed = 0;
  std::string_view between = ": ";
  for (const Range& range : ranges) {
    text += between;
    between = ", ";
    text += partition_name(range.topic, range.partition);
    if (range.count == 1) {
      text += " at offset " + std::to_string(range.first.value);
    } else {
      text += " at " + std::to_string(range.count) + " offsets from " +
              std::to_string(range.first.value) + " to " + std::to_string(range.last.value);
    }
    placed += range.count;
  }
  if (placed > 0 && placed < count) {
    text += ", and " + std::to_string(count - placed) + " elsewhere";
  }
  return text;
}

}  // namespace dohle::messaging
