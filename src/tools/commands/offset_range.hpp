#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "dohle/admin.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"

namespace dohle::tools {

/// Places in a partition, as a user names them.
struct AfterStart {
  std::int64_t records = 0;
  friend bool operator==(const AfterStart&, const AfterStart&) = default;
};
struct BeforeEnd {
  std::int64_t records = 0;
  friend bool operator==(const BeforeEnd&, const BeforeEnd&) = default;
};
using OffsetPoint = std::variant<AfterStart, BeforeEnd, Offset, Timestamp>;

/// From where to read and where to stop: at `to`, which is not read any more; nothing: go on.
struct OffsetRange {
  OffsetPoint from = BeforeEnd{};
  std::optional<OffsetPoint> to = std::nullopt;
  friend bool operator==(const OffsetRange&, const OffsetRange&) = default;
};

/// Reads one point (`start`, `earliest`, `beginning`, `end`, `latest`, `42`, `+10` after the start,
/// `-10` before the end, `@TIME` as parse_moment has it) or two with a colon between them; a side
/// left out is the start or the end. Errors: configuration, naming the text and what is allowed.
Result<OffsetRange> parse_offset_range(std::string_view text, Timestamp now);

/// What a partition holds: its first offset and the one after its last.
struct OffsetBounds {
  Offset start;
  Offset end;
};

/// The offset of `point`, kept within the bounds. `at_time` is the answer to the point's own time,
/// none if no record is that young; it is looked at for times alone.
Offset resolve(const OffsetPoint& point, OffsetBounds bounds, Offset at_time);

}  // namespace dohle::tools
