#include "tools/commands/offset_range.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "tools/text/moment.hpp"

namespace dohle::tools {

namespace {

std::optional<std::int64_t> parse_digits(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number);
  if (code != std::errc{} || rest != end || number < 0) return std::nullopt;
  return number;
}

std::optional<OffsetPoint> parse_point(std::string_view text, Timestamp now) {
  if (text == "start" || text == "earliest" || text == "beginning") return AfterStart{};
  if (text == "end" || text == "latest") return BeforeEnd{};
  if (text.starts_with('@')) {
    const auto time = parse_moment(text.substr(1), now);
    if (time) return *time;
    return std::nullopt;
  }
  const bool is_relative = text.starts_with('+') || text.starts_with('-');
  const auto number = parse_digits(text.substr(is_relative ? 1 : 0));
  if (!number) return std::nullopt;
  if (text.starts_with('+')) return AfterStart{*number};
  if (text.starts_with('-')) return BeforeEnd{*number};
  return Offset{*number};
}

/// A time contains colons, so each colon is tried as the separator.
std::optional<OffsetRange> parse_pair(std::string_view text, Timestamp now) {
  for (auto colon = text.find(':'); colon != std::string_view::npos;
       colon = text.find(':', colon + 1)) {
    const std::string_view before = text.substr(0, colon);
    const std::string_view after = text.substr(colon + 1);
    const auto from = parse_point(before.empty() ? "start" : before, now);
    const auto to = parse_point(after.empty() ? "end" : after, now);
    if (from && to) return OffsetRange{.from = *from, .to = to};
  }
  return std::nullopt;
}

Offset within(std::int64_t offset, OffsetBounds bounds) {
  return Offset{std::clamp(offset, bounds.start.value, bounds.end.value)};
}

}  // namespace

Result<OffsetRange> parse_offset_range(std::string_view text, Timestamp now) {
  if (const auto point = parse_point(text, now)) return OffsetRange{*point, std::nullopt};
  const auto range = parse_pair(text, now);
  if (!range) {
    return fail(Error::configuration(
        fmt::format("\"{}\" is not an offset: start, end, 42, +10 (after the start), -10 (before "
                    "the end), @-1h, @2026-11-24T10:30:05Z, or two of them as 10:20 or @-1h:end",
                    text)));
  }
  const auto* from = std::get_if<Offset>(&range->from);
  const auto* to = std::get_if<Offset>(&*range->to);
  if (from != nullptr && to != nullptr && *to < *from) {
    return fail(Error::configuration(fmt::format(
        "\"{}\" ends before it starts; the first offset must be the smaller one", text)));
  }
  return *range;
}

Offset resolve(const OffsetPoint& point, OffsetBounds bounds, Offset at_time) {
  const std::int64_t held = bounds.end - bounds.start;
  if (const auto* after = std::get_if<AfterStart>(&point)) {
    return bounds.start + std::min(after->records, held);
  }
  if (const auto* before = std::get_if<BeforeEnd>(&point)) {
    return bounds.end + -std::min(before->records, held);
  }
  if (const auto* exact = std::get_if<Offset>(&point)) return within(exact->value, bounds);
  return at_time.is_none() ? bounds.end : within(at_time.value, bounds);
}

}  // namespace dohle::tools
