#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/slice.hpp"
#include "dohle/ids.hpp"

// Decides how a start handles a log. Works on values: the contents of the log's files, the notes
// and the mark of the last run, and how that run ended. Accesses no files.

namespace dohle::log {

/// A segment as a clean stop left it.
struct MarkedSegment {
  Offset base;
  std::uint64_t bytes = 0;
  /// CRC of the last batch, as in its header. Absent if unknown, or if there is no batch.
  std::optional<std::uint32_t> last_crc;
  friend bool operator==(const MarkedSegment&, const MarkedSegment&) = default;
};

/// A log as a clean stop left it.
struct MarkedLog {
  Offset log_start;
  Offset end;
  Timestamp active_since;
  /// The segments in order; the last one was written to.
  std::vector<MarkedSegment> segments;
  friend bool operator==(const MarkedLog&, const MarkedLog&) = default;
};

/// How the last run ended, and its notes about the log.
struct LastLife {
  enum class End : std::uint8_t {
    unknown,    ///< a power loss, a copied directory, or no note
    killed,     ///< the process ended, but the system kept running, so all written bytes exist
    clean_old,  ///< a clean stop of 0.1.0
  };
  End end = End::unknown;
  /// All records below were acknowledged. Absent if unknown. After a power loss it is set only if
  /// acknowledged records were synced.
  std::optional<Offset> noted_end = std::nullopt;
  /// Clients were told of all records below, but a power loss may have removed some.
  std::optional<Offset> told_end = std::nullopt;
  /// The log as a clean stop left it.
  std::optional<MarkedLog> marked = std::nullopt;
  /// Reported as possibly missing if bytes are cut. Empty if no acknowledged record can be missing.
  std::string may_be_missing = {};
};

/// The first inconsistency in the files of a log.
struct LogFault {
  enum class Kind : std::uint8_t {
    short_file,   ///< the file ends inside a batch
    zeros,        ///< a sector of a batch's bytes ends in zeros
    gap,          ///< offsets are missing
    wrong_bytes,  ///< bytes that are no batch, a CRC that does not match, an offset that decreases
    missing_start,  ///< the log begins after its recorded start
    not_as_marked,  ///< the segment differs from the mark of a clean stop
  };
  Kind kind = Kind::wrong_bytes;
  /// The first offset that is affected.
  Offset offset;
  /// It lies in bytes that were known to be on disk.
  bool is_below_point = false;
  /// Names file and byte.
  std::string what;
};

/// Missing records below this offset were acknowledged.
[[nodiscard]] Offset acknowledged_end(const LastLife& life, Offset recovery_point);

struct Decision {
  enum class Kind : std::uint8_t { keep, cut, refuse };
  Kind kind = Kind::keep;
  /// For a refusal: the damage. For a cut: the records that may be missing (empty if no
  /// acknowledged ones).
  std::string why = {};
  /// For a refusal: the first offset that is affected.
  Offset offset = {};
};

/// How a start handles a log whose batches are good up to `end`, where `fault`, if any, was found.
/// A cut keeps the bytes that it removes.
[[nodiscard]] Decision decide(const std::optional<LogFault>& fault, Offset end,
                              Offset recovery_point, const LastLife& life);

/// A segment found in the directory: its base offset and size.
using FoundSegment = std::pair<Offset, std::uint64_t>;

/// Index in `found` of the first segment whose name or size differs from the clean-stop mark (the
/// size of `found` if segments at the end are missing). Absent if all are equal.
[[nodiscard]] std::optional<std::size_t> first_difference(const std::vector<FoundSegment>& found,
                                                          const MarkedLog& marked);

/// Whether a lost write may have left these bytes in the place of a batch: in some 512-byte sector
/// they end in at least 8 zeros, or the batch's last sector has only zeros of it. `position`: the
/// position of the batch in the file.
[[nodiscard]] bool looks_unwritten(Bytes bytes, std::uint64_t position);

/// The same for a batch that is whole except its base offset, which no CRC covers: a sector ends
/// within it or right after it, and its bytes in that sector are zeros. `found`: the offset in the
/// file; `due`: the right one.
[[nodiscard]] bool looks_unwritten(Offset found, Offset due, std::uint64_t position);

/// Offsets that were given up. A log without them counts as whole.
class AcceptedGaps {
 public:
  static constexpr std::string_view file_name = "dohle-gaps";

  void add(Offset from, Offset to) { gaps_.emplace_back(from, to); }
  /// Where a log that ended at `end` continues: after a gap that begins there, otherwise at `end`.
  [[nodiscard]] Offset behind(Offset end) const;
  [[nodiscard]] bool empty() const { return gaps_.empty(); }
  [[nodiscard]] std::string text() const;
  /// Absent if the text is damaged.
  [[nodiscard]] static std::optional<AcceptedGaps> parse(std::string_view text);

 private:
  std::vector<std::pair<Offset, Offset>> gaps_;
};

}  // namespace dohle::log
