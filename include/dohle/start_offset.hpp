#pragma once

#include <cstdint>

#include "dohle/ids.hpp"

namespace dohle {
inline namespace v0 {

/// Where a subscription starts reading.
///
///     broker.subscribe<Order>("orders", handler, kafka::with_start_offset(StartOffset::first()));
class StartOffset {
 public:
  /// The kinds of starts.
  enum class Kind : std::uint8_t {
    first,      ///< the first record that the log still has
    last,       ///< the end: records that are published from now on
    offset,     ///< the record with that offset
    timestamp,  ///< the first record with that timestamp or a later one
  };

  /// The first record that the log still has.
  [[nodiscard]] static constexpr StartOffset first() { return {Kind::first, 0}; }
  /// The end: records that are published from now on.
  [[nodiscard]] static constexpr StartOffset last() { return {Kind::last, 0}; }
  /// The record with this offset. At least 0. Allowed only with SubscribeOptions::partition.
  [[nodiscard]] static constexpr StartOffset at(Offset offset) {
    return {Kind::offset, offset.value};
  }
  /// The first record with this timestamp or a later one. At least 0.
  [[nodiscard]] static constexpr StartOffset at(Timestamp time) {
    return {Kind::timestamp, time.value};
  }

  /// The kind of this start.
  [[nodiscard]] constexpr Kind kind() const { return kind_; }
  /// The offset, or the milliseconds of the timestamp; 0 otherwise.
  [[nodiscard]] constexpr std::int64_t value() const { return value_; }
  friend constexpr bool operator==(const StartOffset&, const StartOffset&) = default;

 private:
  constexpr StartOffset(Kind kind, std::int64_t value) : kind_(kind), value_(value) {}

  Kind kind_;
  std::int64_t value_;
};

}  // namespace v0
}  // namespace dohle
