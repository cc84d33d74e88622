#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/slice.hpp"
#include "dohle/error.hpp"

// What all journals share. A journal keeps durable state of the node as records to which changes
// are appended. It is backed by a file (FileJournal: the catalog) or by an internal topic
// (TopicJournal: groups and their offsets, in Apache Kafka's schemas).
//
// append   A change counts once its record is durable. What is refused was not appended.
// owed     A full disk never keeps the owner from deleting: a file has space in reserve for such
//          lines (FileJournal::Reserve), a topic appends them before anything else once there is
//          space (TopicJournal::append_or_owe).
// rewrite  Once most records are history, a snapshot of the present state takes their place. A
//          crash at any time leaves the old records, the new ones, or both, which read the same.
// replay   At the start the owner takes each record, in order, and says what it meant (`Taken`).
// versions Each record has a kind. One of an unknown optional kind is skipped, and left out by the
//          next rewrite. One of any other unknown kind refuses, and the error names the version
//          that wrote it (`judge`).

namespace dohle::node {

/// What a record meant to the owner of a journal.
enum class Taken : std::uint8_t { taken, unknown_kind, senseless };

/// A record that is replayed, as errors name it.
struct JournalPlace {
  /// The journal, and where in it the record is: "PATH: the line at byte 70".
  std::string where;
  std::string_view kind;
  /// The version of Dohle that wrote it; empty: it does not say.
  std::string_view version;
  bool is_optional = false;
};

/// The version that this program writes into its records.
[[nodiscard]] std::string_view journal_version();

/// Whether the replay may go on. `remedy` says what to do about damage. Errors: damaged (the record
/// makes no sense), unsupported_version (it is not optional, and of an unknown kind).
[[nodiscard]] Result<void> judge(Taken taken, const JournalPlace& at, std::string_view remedy);

/// Whether a journal of so many records, of which a snapshot would have `live`, is due for a
/// rewrite.
[[nodiscard]] constexpr bool is_mostly_history(std::uint64_t records, std::uint64_t live,
                                               std::uint64_t min_history) {
  return records > min_history + 2 * live;
}

/// A record of an internal topic; without a value it deletes what the key names. The key begins
/// with its kind, in two bytes.
struct JournalRecord {
  Slice key;
  std::optional<Slice> value;
};

}  // namespace dohle::node
