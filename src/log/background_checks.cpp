#include "log/background_checks.hpp"

#include "base/assert.hpp"

namespace dohle::log {

void BackgroundChecks::remove(PartitionLog& log) {
  std::erase(logs_, &log);
  if (busy_ == &log) busy_ = nullptr;
}

void BackgroundChecks::tick(Now now) {
  if (busy_ != nullptr || now.mono < next_) return;
  while (!logs_.empty()) {
    PartitionLog* const log = logs_.back();
    if (log->offline() == nullptr && log->unchecked_bytes() > 0) {
      // False while a fetch's check is under way: the next call tries again.
      if (!log->check_next(piece_bytes, [this] { busy_ = nullptr; })) return;
      DOHLE_ASSERT(busy_ == nullptr, "two checks in the background at a time");
      busy_ = log;
      next_ = now.mono +
              std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
                  static_cast<double>(piece_bytes) / static_cast<double>(bytes_per_second_)));
      return;
    }
    logs_.pop_back();
  }
}

}  // namespace dohle::log
