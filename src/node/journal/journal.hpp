#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/slice.hpp"
#include "dohle/error.hpp"

// The rules of all journals. A journal keeps durable state of the node as records; a change is
// appended as a record. It is backed by a file (FileJournal: the catalog) or by an internal topic
// (TopicJournal: groups and their offsets, in Apache Kafka's schemas).
//
// append   A change counts once its record is durable. A refused record was not appended.
// owed     The owner can delete even on a full disk. A file has reserved space for such lines
//          (FileJournal::Reserve). A topic appends them before any other record once there is
//          space (TopicJournal::append_or_owe).
// rewrite  Once most records are history, a snapshot of the present state replaces them. A crash
//          at any time leaves the old records, the new ones, or both, which read the same.
// replay   At the start the owner takes the records in order and returns `Taken` for each.
// versions Each record has a kind. A record of an unknown optional kind is skipped, and the next
//          rewrite omits it. A record of any other unknown kind is an error, which names the
//          version that wrote the record (`judge`).

namespace dohle::node {

/// The owner's result for a replayed record.
enum class Taken : std::uint8_t { taken, unknown_kind, senseless };

/// A replayed record, as errors name it.
struct JournalPlace {
  /// The journal and the place of the record in it: "PATH: the line at byte 70".
  std::string where;
  std::string_view kind;
  /// The version of Dohle that wrote the record. Empty if unknown.
  std::string_view version;
  bool is_optional = false;
};

/// The version that this program writes into its records.
[[nodiscard]] std::string_view journal_version();

/// Whether the replay may continue. `remedy` is the action to take after damage. Errors: damaged
/// (the record does not fit the earlier ones), unsupported_version (its kind is unknown and not
/// optional).
[[nodiscard]] Result<void> judge(Taken taken, const JournalPlace& at, std::string_view remedy);

/// Whether a journal of `records` records is due for a rewrite, if a snapshot has `live` records.
[[nodiscard]] constexpr bool is_mostly_history(std::uint64_t records, std::uint64_t live,
                                               std::uint64_t min_history) {
  return records > min_history + 2 * live;
}

/// A record of an internal topic. Without a value it deletes the entry of its key. The key begins
/// with its kind, in two bytes.
struct JournalRecord {
  Slice key;
  std::optional<Slice> value;
};

}  // namespace dohle::node
