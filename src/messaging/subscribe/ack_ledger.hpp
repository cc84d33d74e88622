#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ranges>
#include <utility>

#include "base/assert.hpp"
#include "dohle/ids.hpp"
#include "messaging/subscribe/ring.hpp"

namespace dohle::messaging {

/// The records of one partition that were handed out, and which of them are done. Records are
/// handed out in the order of their offsets and done in any order. The offset to commit is that of
/// the first record that is not done, or the position if all are done.
class AckLedger {
 public:
  struct Commit {
    Offset offset;
    LeaderEpoch leader_epoch;
    friend bool operator==(const Commit&, const Commit&) = default;
  };

  /// Adds a handed-out record. `offset` is above every earlier one.
  void on_delivered(Offset offset, LeaderEpoch epoch, std::size_t bytes);
  /// Sets the position: every record below it was handed out, or does not exist (control batches,
  /// gaps).
  void on_position(Offset position);
  /// Marks a record as done. False if it was done before, or never handed out.
  bool on_done(Offset offset);
  /// True while attempt `attempt` of this record is running and the record is not done.
  [[nodiscard]] bool is_pending(Offset offset, int attempt) const;
  /// True if the record was handed out and is not done.
  [[nodiscard]] bool is_outstanding(Offset offset) const;
  /// Ends the current attempt of a record that is not done; the next one has a higher number.
  void on_attempt_over(Offset offset);

  /// The offset to commit. Absent if it is committed already.
  [[nodiscard]] std::optional<Commit> due() const;
  void on_committed(Offset offset);
  /// None if nothing was committed.
  [[nodiscard]] Offset committed() const { return committed_; }
  /// None if it is not known.
  [[nodiscard]] Offset position() const { return position_; }

  /// The first record that is not done, or the position. None if it is not known.
  [[nodiscard]] Offset done_up_to() const {
    return entries_.empty() ? position_ : entries_.front().offset;
  }
  /// Number of records from the first one that is not done on, which the ledger stores.
  [[nodiscard]] std::size_t outstanding() const { return entries_.size(); }
  /// Bytes of the records that are not done.
  [[nodiscard]] std::size_t outstanding_bytes() const { return bytes_; }
  /// True if a record of this offset may be handed out next. Otherwise reading has started anew.
  [[nodiscard]] bool is_next(Offset offset) const { return position_ <= offset; }

  /// Asserts the invariants that hold between two events. Walks all entries.
  void check_invariants() const;

 private:
  struct Entry {
    Offset offset = {};
    LeaderEpoch epoch = {};
    std::size_t bytes = 0;
    bool done = false;
    int attempt = 1;
  };
  /// Null if the record is not stored.
  [[nodiscard]] const Entry* find(Offset offset) const;
  [[nodiscard]] Entry* find(Offset offset) {
    return const_cast<Entry*>(std::as_const(*this).find(offset));
  }

  Ring<Entry> entries_;
  Offset position_;
  Offset committed_;
  LeaderEpoch done_epoch_;
  std::size_t bytes_ = 0;
};

// Here, since each message needs them.

inline void AckLedger::on_delivered(Offset offset, LeaderEpoch epoch, std::size_t bytes) {
  DOHLE_ASSERT_COSTLY(is_next(offset), "a record is handed out before one of a lower offset");
  entries_.push_back({offset, epoch, bytes});
  bytes_ += bytes;
  on_position(offset + 1);
}

inline void AckLedger::on_position(Offset position) {
  position_ = std::max(position_, position);
}

inline const AckLedger::Entry* AckLedger::find(Offset offset) const {
  if (entries_.empty() || offset < entries_.front().offset) return nullptr;
  // Its place unless offsets are missing.
  const auto place = static_cast<std::uint64_t>(offset.value - entries_.front().offset.value);
  if (place < entries_.size() && entries_[place].offset == offset) return &entries_[place];
  const auto indices = std::views::iota(std::size_t{0}, entries_.size());
  const auto at = std::ranges::lower_bound(
      indices, offset, {}, [this](std::size_t index) { return entries_[index].offset; });
  if (at == indices.end() || entries_[*at].offset != offset) return nullptr;
  return &entries_[*at];
}

inline bool AckLedger::on_done(Offset offset) {
  Entry* const entry = find(offset);
  if (entry == nullptr || entry->done) return false;
  entry->done = true;
  DOHLE_ASSERT_COSTLY(bytes_ >= entry->bytes, "more bytes are done than were handed out");
  bytes_ -= entry->bytes;
  while (!entries_.empty() && entries_.front().done) {
    done_epoch_ = entries_.front().epoch;
    entries_.pop_front();
  }
  return true;
}

inline std::optional<AckLedger::Commit> AckLedger::due() const {
  const Offset prefix = entries_.empty() ? position_ : entries_.front().offset;
  if (prefix <= committed_) return std::nullopt;
  return Commit{prefix, done_epoch_};
}

}  // namespace dohle::messaging
