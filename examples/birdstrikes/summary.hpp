#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "strike.hpp"

namespace birdstrikes {

/// The rows that were seen. A group delivers at least once: after a crash or a rebalance a row may
/// be delivered again, and must not be counted twice. Not thread safe.
class SeenRows {
 public:
  explicit SeenRows(std::size_t rows) : seen_(rows + 1) {}

  /// True the first time. Rows are numbered from 1; other numbers are counted as unknown.
  bool insert(std::size_t row);
  [[nodiscard]] bool contains(std::size_t row) const { return row < seen_.size() && seen_[row]; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t repeated() const { return repeated_; }
  [[nodiscard]] std::size_t strangers() const { return strangers_; }

 private:
  std::vector<bool> seen_;
  std::size_t count_ = 0, repeated_ = 0, strangers_ = 0;
};

struct AirportFigures {
  std::size_t strikes = 0, damaged = 0;
  std::int64_t cost = 0;                        // US dollars
  std::map<std::string, std::size_t> aircraft;  // strikes of each model

  /// The model that was hit most often; the first by name among equals.
  [[nodiscard]] std::string most_hit() const;
};

/// The running summary of the two subscribers of a group. Thread safe.
class Summary {
 public:
  struct Totals {
    std::size_t rows = 0, redelivered = 0, strangers = 0;
    std::vector<std::size_t> by_subscriber;
  };

  Summary(std::size_t rows, std::size_t subscribers) : seen_(rows), by_subscriber_(subscribers) {}

  /// Counts the row unless it was counted before.
  void apply(std::size_t row, const Strike& strike, std::size_t subscriber);
  [[nodiscard]] Totals totals() const;
  [[nodiscard]] std::map<std::string, AirportFigures> airports() const;

 private:
  mutable std::mutex mutex_;  // guards all below
  SeenRows seen_;
  std::vector<std::size_t> by_subscriber_;
  std::map<std::string, AirportFigures> airports_;
};

}  // namespace birdstrikes
