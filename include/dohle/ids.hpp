#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "dohle/export.hpp"

namespace dohle {
inline namespace v0 {

/// A number with a type of its own, so that it cannot be confused with other numbers of the
/// protocol. `none` is the value that means "absent" on the wire. Trivially copyable. Thread
/// safety: as a number.
template <class Tag, class Representation, Representation None>
struct Id {
  /// The type of the number.
  using Rep = Representation;
  /// The value that means "absent" on the wire.
  static constexpr Representation none = None;

  /// The number. Default: none.
  Representation value = None;

  constexpr Id() = default;
  /// The id with that number.
  constexpr explicit Id(Representation v) : value(v) {}

  /// True if the value means "absent".
  [[nodiscard]] constexpr bool is_none() const { return value == None; }
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
};

/// Position of a record in its partition, from 0. -1: none.
using Offset = Id<struct OffsetTag, std::int64_t, -1>;
/// Index of a partition in its topic, from 0. -1: none.
using PartitionId = Id<struct PartitionTag, std::int32_t, -1>;
/// Id of a server in its cluster. -1: none.
using NodeId = Id<struct NodeTag, std::int32_t, -1>;
/// Counts the leaders that a partition has had (KIP-101). -1: unknown.
using LeaderEpoch = Id<struct LeaderEpochTag, std::int32_t, -1>;
/// Identifies an idempotent or transactional producer (KIP-98). -1: none.
using ProducerId = Id<struct ProducerIdTag, std::int64_t, -1>;
/// Counts how often a ProducerId was started again (KIP-98, KIP-360). -1: none.
using ProducerEpoch = Id<struct ProducerEpochTag, std::int16_t, -1>;
/// Counts the completed rebalances of a classic group. -1: not a member.
using Generation = Id<struct GenerationTag, std::int32_t, -1>;
/// Counts the assignments that a member of a group received: the generation in a classic group, the
/// member epoch with KIP-848. -1: not a member.
using MemberEpoch = Id<struct MemberEpochTag, std::int32_t, -1>;

constexpr Offset operator+(Offset o, std::int64_t n) {
  return Offset{o.value + n};
}
constexpr std::int64_t operator-(Offset a, Offset b) {
  return a.value - b.value;
}

/// A topic's immutable id (KIP-516): 16 bytes, printed as URL-safe base64 without padding,
/// as Apache Kafka prints it. All zero: none.
struct TopicId {
  /// Default: all zero. The bytes in the order of the protocol.
  std::array<std::uint8_t, 16> bytes{};

  /// True if all bytes are zero.
  [[nodiscard]] constexpr bool is_none() const { return *this == TopicId{}; }
  /// Base64 text of 22 characters.
  [[nodiscard]] DOHLE_API std::string to_string() const;
  /// Parses the text that to_string writes. Absent if `text` has another form.
  [[nodiscard]] DOHLE_API static std::optional<TopicId> parse(std::string_view text);
  friend constexpr auto operator<=>(const TopicId&, const TopicId&) = default;
};

/// A record's time as Kafka stores it: milliseconds since 1970-01-01 UTC; -1: none.
using Timestamp = Id<struct TimestampTag, std::int64_t, -1>;

/// The timestamp of a time point of the system clock, rounded down to milliseconds.
[[nodiscard]] constexpr Timestamp to_timestamp(std::chrono::system_clock::time_point t) {
  return Timestamp{std::chrono::floor<std::chrono::milliseconds>(t.time_since_epoch()).count()};
}
/// The system clock's time point of a timestamp.
[[nodiscard]] constexpr std::chrono::system_clock::time_point to_time_point(Timestamp t) {
  return std::chrono::system_clock::time_point{std::chrono::milliseconds{t.value}};
}

/// One partition of one topic, by name.
struct TopicPartition {
  /// The topic's name.
  std::string topic;
  /// The partition's index in the topic.
  PartitionId partition;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

}  // namespace v0
}  // namespace dohle

template <class Tag, class Rep, Rep None>
struct std::hash<dohle::Id<Tag, Rep, None>> {
  std::size_t operator()(const dohle::Id<Tag, Rep, None>& id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};

template <>
struct std::hash<dohle::TopicId> {
  std::size_t operator()(const dohle::TopicId& id) const noexcept {
    return std::hash<std::string_view>{}(
        std::string_view(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()));
  }
};

template <>
struct std::hash<dohle::TopicPartition> {
  std::size_t operator()(const dohle::TopicPartition& tp) const noexcept {
    return std::hash<std::string_view>{}(tp.topic) * 31 +
           std::hash<std::int32_t>{}(tp.partition.value);
  }
};
