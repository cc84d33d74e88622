#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "dohle/admin.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"

namespace dohle::tools {

/// Positions in a partition, as the command line names them.
struct AfterStart {
  std::int64_t records = 0;
  friend bool operator==(const AfterStart&, const AfterStart&) = default;
};
struct BeforeEnd {
  std::int64_t records = 0;
  friend bool operator==(const BeforeEnd&, const BeforeEnd&) = default;
};
using OffsetPoint = std::variant<AfterStart, BeforeEnd, Offset, Timestamp>;

/// The range to read: from `from` to before `to`. If `to` is absent, reading does not end.
struct OffsetRange {
  OffsetPoint from = BeforeEnd{};
  std::optional<OffsetPoint> to = std::nullopt;
  friend bool operator==(const OffsetRange&, const OffsetRange&) = default;
};

/// Parses one point (`start`, `earliest`, `beginning`, `end`, `latest`, `42`, `+10` after the
/// start, `-10` before the end, `@TIME` as parse_moment has it) or two points with a colon between
/// them; an omitted side is the start or the end. Errors: configuration, with the text and the
/// allowed forms.
Result<OffsetRange> parse_offset_range(std::string_view text, Timestamp now);

/// The bounds of a partition: its first offset and the offset after its last.
struct OffsetBounds {
  Offset start;
  Offset end;
};

/// The offset of `point`, kept within the bounds. `at_time` is the offset for the point's
/// timestamp, none if all records are older; it is used for timestamps only.
Offset resolve(const OffsetPoint& point, OffsetBounds bounds, Offset at_time);

}  // namespace dohle::tools
