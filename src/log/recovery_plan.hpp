#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/slice.hpp"
#include "dohle/ids.hpp"

// What a start does with a log, as values: from what its files hold, what the last life noted and
// marked, and how that life ended. No file is touched here.

namespace dohle::log {

/// A segment as a clean stop left it.
struct MarkedSegment {
  Offset base;
  std::uint64_t bytes = 0;
  /// Of the last batch, as its header has it; nothing: unknown, or there is none.
  std::optional<std::uint32_t> last_crc;
  friend bool operator==(const MarkedSegment&, const MarkedSegment&) = default;
};

/// A log as a clean stop left it.
struct MarkedLog {
  Offset log_start;
  Offset end;
  Timestamp active_since;
  /// In order; the last is the one that was written to.
  std::vector<MarkedSegment> segments;
  friend bool operator==(const MarkedLog&, const MarkedLog&) = default;
};

/// How the last life of a log ended, and what it left to know it by.
struct LastLife {
  enum class End : std::uint8_t {
    unknown,    ///< power loss, a copy, or nothing says
    killed,     ///< the process ended, the machine went on: what was written is there
    clean_old,  ///< a clean stop of 0.1.0
  };
  End end = End::unknown;
  /// All records below were acknowledged; nothing: unknown. After a power loss only where that
  /// means that they were synced.
  std::optional<Offset> noted_end = std::nullopt;
  /// Clients were told of all records below, which a power loss may have taken all the same.
  std::optional<Offset> told_end = std::nullopt;
  /// A clean stop left it so.
  std::optional<MarkedLog> marked = std::nullopt;
  /// What is said to be missing when something is cut; empty: nothing that was acknowledged.
  std::string may_be_missing = {};
};

/// Where the files of a log stop to make sense.
struct Fault {
  enum class Kind : std::uint8_t {
    short_file,     ///< the file ends inside a batch
    zeros,          ///< a sector of a batch's bytes ends in zeros
    gap,            ///< offsets are missing
    wrong_bytes,    ///< bytes of no batch, a CRC that does not match, an offset that goes back
    missing_start,  ///< the log begins behind the start that it has on record
    not_as_marked,  ///< a clean stop left the segment otherwise
  };
  Kind kind = Kind::wrong_bytes;
  /// The first offset that is affected.
  Offset offset;
  /// It lies in bytes that were known to be on disk.
  bool is_below_point = false;
  /// Names file and byte.
  std::string what;
};

/// The offsets below which a record that is missing was acknowledged.
[[nodiscard]] Offset acknowledged_end(const LastLife& life, Offset recovery_point);

struct Decision {
  enum class Kind : std::uint8_t { keep, cut, refuse };
  Kind kind = Kind::keep;
  /// Of a refusal, what is damaged; of a cut, what may be missing (empty: nothing acknowledged).
  std::string why = {};
  /// Of a refusal: the first offset that is affected.
  Offset offset = {};
};

/// What is done with a log whose batches are good up to `end`, where `fault` ended them, if any
/// did. A cut keeps the bytes that it takes away.
[[nodiscard]] Decision decide(const std::optional<Fault>& fault, Offset end, Offset recovery_point,
                              const LastLife& life);

/// A segment as the directory shows it.
using FoundSegment = std::pair<Offset, std::uint64_t>;

/// Index of the first segment that differs in name or size from what a clean stop left, counted in
/// `found` (its size: those at the end are missing); nothing if all are the same.
[[nodiscard]] std::optional<std::size_t> first_difference(const std::vector<FoundSegment>& found,
                                                          const MarkedLog& marked);

/// Whether a lost write may have left these bytes where a batch was: in some 512-byte sector they
/// end in at least 8 zeros, or are nothing but zeros. `position`: where they begin in the file.
[[nodiscard]] bool looks_unwritten(Bytes bytes, std::uint64_t position);

/// The same of a batch that is whole but for its base offset, which no CRC covers: a sector ends in
/// it or right behind it, and its bytes in that sector are zeros. `found`: what the file has;
/// `due`: what belongs there.
[[nodiscard]] bool looks_unwritten(Offset found, Offset due, std::uint64_t position);

/// Offsets that were given up, so that a log without them is whole.
class AcceptedGaps {
 public:
  static constexpr std::string_view file_name = "dohle-gaps";

  void add(Offset from, Offset to) { gaps_.emplace_back(from, to); }
  /// Where a log goes on that ended at `end`: behind a gap that begins there, or right there.
  [[nodiscard]] Offset behind(Offset end) const;
  [[nodiscard]] bool empty() const { return gaps_.empty(); }
  [[nodiscard]] std::string text() const;
  /// Nothing if the text is damaged.
  [[nodiscard]] static std::optional<AcceptedGaps> parse(std::string_view text);

 private:
  std::vector<std::pair<Offset, Offset>> gaps_;
};

}  // namespace dohle::log
