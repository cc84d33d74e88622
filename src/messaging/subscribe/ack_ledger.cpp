#include "messaging/subscribe/ack_ledger.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace dohle::messaging {

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

void AckLedger::on_committed(Offset offset) {
  // A late answer to a commit of an earlier assignment may exceed the records of this one.
  const Offset prefix = entries_.empty() ? position_ : entries_.front().offset;
  if (offset <= prefix) committed_ = std::max(committed_, offset);
}

}  // namespace dohle::messaging
