#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "dohle/ids.hpp"

namespace dohle::messaging {

/// What of one partition was handed out, and what of it is done. Records are handed out in order of
/// their offsets and done in any order; what may be committed is the offset of the first that is
/// not done, or, when all are, the position.
class AckLedger {
 public:
  struct Commit {
    Offset offset;
    LeaderEpoch leader_epoch;
    friend bool operator==(const Commit&, const Commit&) = default;
  };

  /// `offset` is above every earlier one.
  void on_delivered(Offset offset, LeaderEpoch epoch, std::size_t bytes);
  /// Every record below it was delivered, or there is none (control batches, gaps).
  void on_position(Offset position);
  /// False when it was done before, or never handed out.
  bool on_done(Offset offset);
  /// Handed out for the `attempt`th time, which is not over, nor is the record done.
  [[nodiscard]] bool is_pending(Offset offset, int attempt) const;
  /// It was handed out and is not done.
  [[nodiscard]] bool is_outstanding(Offset offset) const;
  /// The record was given back; what comes next is another attempt.
  void on_attempt_over(Offset offset);

  /// What to commit; nothing when that was committed already.
  [[nodiscard]] std::optional<Commit> due() const;
  void on_committed(Offset offset);

  /// Records from the first that is not done on: what has to be remembered.
  [[nodiscard]] std::size_t outstanding() const { return entries_.size(); }
  /// Bytes of those that are not done.
  [[nodiscard]] std::size_t outstanding_bytes() const { return bytes_; }
  [[nodiscard]] std::optional<Offset> first_outstanding() const;
  /// Whether a record of that offset may be handed out next.
  [[nodiscard]] bool is_next(Offset offset) const {
    return entries_.empty() || entries_.back().offset < offset;
  }

  /// Asserts what holds between two events. Walks all entries.
  void check_invariants() const;

 private:
  struct Entry {
    Offset offset;
    LeaderEpoch epoch;
    std::size_t bytes;
    bool done = false;
    int attempt = 1;
  };
  [[nodiscard]] std::deque<Entry>::const_iterator find(Offset offset) const;

  std::deque<Entry> entries_;
  Offset position_;
  Offset committed_;
  LeaderEpoch done_epoch_;
  std::size_t bytes_ = 0;
};

}  // namespace dohle::messaging
