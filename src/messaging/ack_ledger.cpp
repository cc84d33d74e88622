#include "messaging/ack_ledger.hpp"

#include <algorithm>
#include <cassert>

namespace dohle::messaging {

void AckLedger::on_delivered(Offset offset, LeaderEpoch epoch, std::size_t bytes) {
  assert(entries_.empty() || entries_.back().offset < offset);
  entries_.push_back({offset, epoch, bytes});
  bytes_ += bytes;
  on_position(offset + 1);
}

void AckLedger::on_position(Offset position) {
  position_ = std::max(position_, position);
}

std::deque<AckLedger::Entry>::const_iterator AckLedger::find(Offset offset) const {
  const auto at = std::ranges::lower_bound(entries_, offset, {}, &Entry::offset);
  return at != entries_.end() && at->offset == offset ? at : entries_.end();
}

bool AckLedger::is_pending(Offset offset, int attempt) const {
  const auto at = find(offset);
  return at != entries_.end() && !at->done && at->attempt == attempt;
}

void AckLedger::on_attempt_over(Offset offset) {
  const auto found = find(offset);
  if (found == entries_.end()) return;
  ++entries_[static_cast<std::size_t>(found - entries_.cbegin())].attempt;
}

bool AckLedger::on_done(Offset offset) {
  const auto found = find(offset);
  if (found == entries_.end() || found->done) return false;
  Entry& entry = entries_[static_cast<std::size_t>(found - entries_.cbegin())];
  entry.done = true;
  bytes_ -= entry.bytes;
  while (!entries_.empty() && entries_.front().done) {
    done_epoch_ = entries_.front().epoch;
    entries_.pop_front();
  }
  return true;
}

std::optional<AckLedger::Commit> AckLedger::due() const {
  const Offset prefix = entries_.empty() ? position_ : entries_.front().offset;
  if (prefix <= committed_) return std::nullopt;
  return Commit{prefix, done_epoch_};
}

void AckLedger::on_committed(Offset offset) {
  committed_ = std::max(committed_, offset);
}

std::optional<Offset> AckLedger::first_outstanding() const {
  return entries_.empty() ? std::nullopt : std::optional(entries_.front().offset);
}

}  // namespace dohle::messaging
