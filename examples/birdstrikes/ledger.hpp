#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dohle/error.hpp"
#include "dohle/record.hpp"
#include "proof.hpp"
#include "strike.hpp"

namespace birdstrikes {

/// The acknowledged rows: the published side of the proof. Thread safe.
class Ledger {
 public:
  /// Adds a row with the place in its receipt.
  void add(std::size_t row, const Strike& strike, const dohle::Receipt& receipt);
  /// Adds a failed publish; only the first one is kept.
  void add_failure(const dohle::Error& error);

  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::optional<dohle::Error> failure() const;
  [[nodiscard]] std::vector<PublishedRow> rows() const;

 private:
  mutable std::mutex mutex_;  // guards all below
  std::vector<PublishedRow> rows_;
  std::optional<dohle::Error> failure_;
};

}  // namespace birdstrikes
