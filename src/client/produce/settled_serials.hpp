#pragma once

#include <cstdint>
#include <set>

namespace dohle::client {

/// The serials of a partition's settled batches, which count from 1. Batches may be settled in any
/// order; a flush waits for the lowest unsettled one. Not thread safe.
class SettledSerials {
 public:
  void add(std::uint64_t serial) {
    if (serial != up_to_ + 1) {
      above_.insert(serial);
      return;
    }
    up_to_ = serial;
    while (!above_.empty() && *above_.begin() == up_to_ + 1) {
      ++up_to_;
      above_.erase(above_.begin());
    }
  }
  /// All batches up to this serial are settled; the next one is not.
  [[nodiscard]] std::uint64_t up_to() const { return up_to_; }

 private:
  std::uint64_t up_to_ = 0;
  /// Bounded by the number of unsettled batches, which the producer's buffer bounds.
  std::set<std::uint64_t> above_;
};

}  // namespace dohle::client
