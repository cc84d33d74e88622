#include "messaging/ack_ledger.hpp"

#include <algorithm>
#include <cstdint>
#include <ranges>

#include "base/assert.hpp"

namespace dohle::messaging {

void AckLedger::on_delivered(Offset offset, LeaderEpoch epoch, std::size_t bytes) {
  DOHLE_ASSERT(is_next(offset), "a record is handed out before one of a lower offset");
  entries_.push_back({offset, epoch, bytes});
  bytes_ += bytes;
  on_position(offset + 1);
}

void AckLedger::check_invariants() const {
  std::size_t bytes = 0;
  const Entry* before = nullptr;
  for (std::size_t index = 0; index < entries_.size(); ++index) {
    const Entry& entry = entries_[index];
    DOHLE_ASSERT(before == nullptr || before->offset < entry.offset, "the ledger is out of order");
    DOHLE_ASSERT(entry.attempt >= 1, "a record that was handed out has attempt 0");
    bytes += entry.done ? 0 : entry.bytes;
    before = &entry;
  }
  DOHLE_ASSERT(entries_.empty() || !entries_.front().done, "a record is kept that is done");
  DOHLE_ASSERT(bytes_ == bytes, "the bytes that are not done are miscounted");
  DOHLE_ASSERT(before == nullptr || before->offset < position_,
               "the position is not after the messages that were handed out");
  DOHLE_ASSERT(entries_.empty() || committed_ <= entries_.front().offset,
               "a record was committed that is not done");
}

void AckLedger::on_position(Offset position) {
  position_ = std::max(position_, position);
}

const AckLedger::Entry* AckLedger::find(Offset offset) const {
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

bool AckLedger::is_pending(Offset offset, int attempt) const {
  const Entry* const entry = find(offset);
  return entry != nullptr && !entry->done && entry->attempt == attempt;
}

bool AckLedger::is_outstanding(Offset offset) const {
  const Entry* const entry = find(offset);
  return entry != nullptr && !entry->done;
}

void AckLedger::on_attempt_over(Offset offset) {
  if (Entry* const entry = find(offset)) ++entry->attempt;
}

bool AckLedger::on_done(Offset offset) {
  Entry* const entry = find(offset);
  if (entry == nullptr || entry->done) return false;
  entry->done = true;
  DOHLE_ASSERT(bytes_ >= entry->bytes, "more bytes are done than were handed out");
  bytes_ -= entry->bytes;
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
  // A late answer to a commit of an earlier assignment may exceed the records of this one.
  const Offset prefix = entries_.empty() ? position_ : entries_.front().offset;
  if (offset <= prefix) committed_ = std::max(committed_, offset);
}

}  // namespace dohle::messaging
