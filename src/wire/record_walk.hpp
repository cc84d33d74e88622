#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/varint.hpp"

namespace dohle::wire {

/// One record as it lies in a batch, every length checked. A size of -1 stands for null.
struct RecordParts {
  std::int64_t timestamp_delta = 0;
  std::int32_t offset_delta = 0;
  std::int32_t key_size = -1;
  std::int32_t value_size = -1;
  const std::byte* key = nullptr;
  const std::byte* value = nullptr;
  const std::byte* headers = nullptr;
  std::int32_t header_count = 0;
};

/// Length, attributes, two deltas, key and value length, header count at a byte each.
inline constexpr std::size_t min_record_bytes = 7;

/// The byte after `count` headers; null when one of them reaches beyond `record_end`, which is at
/// most `end`.
[[nodiscard]] const std::byte* skip_headers(const std::byte* at, const std::byte* record_end,
                                            const std::byte* end, std::int32_t count);

namespace detail {

/// A record of which every byte lies in memory. A stream of records has a walk of its own with the
/// same members, so that the rules of a record are written once, in `read_parts`. Each call that
/// returns false ends the walk.
template <Room room>
class WalkInMemory {
 public:
  [[gnu::always_inline]] WalkInMemory(const std::byte* at, const std::byte* record_end,
                                      const std::byte* end)
      : at_(at), record_end_(record_end), end_(end) {}

  /// What the record has left, negative when its numbers reach beyond its end.
  [[nodiscard, gnu::always_inline]] std::ptrdiff_t left() const { return record_end_ - at_; }
  [[nodiscard, gnu::always_inline]] bool read(std::uint32_t& n) {
    at_ = read_unsigned<room>(at_, end_, n);
    return at_ != nullptr;
  }
  [[nodiscard, gnu::always_inline]] bool read(std::int32_t& n) {
    at_ = read_varint<room>(at_, end_, n);
    return at_ != nullptr;
  }
  [[nodiscard, gnu::always_inline]] bool read(std::int64_t& n) {
    at_ = read_varlong<room>(at_, end_, n);
    return at_ != nullptr;
  }
  /// `size` is at most `left()`.
  [[nodiscard, gnu::always_inline]] bool skip(std::int32_t size) {
    at_ += size;
    return true;
  }
  [[nodiscard, gnu::always_inline]] bool skip_headers(std::int32_t count) {
    at_ = wire::skip_headers(at_, record_end_, end_, count);
    return at_ != nullptr;
  }
  [[nodiscard, gnu::always_inline]] const std::byte* at() const { return at_; }

 private:
  const std::byte* at_;
  const std::byte* record_end_;
  const std::byte* end_;
};

// Where key and value begin and how long they are. False: they do not fit.
template <class Walk>
[[gnu::always_inline]] inline bool read_sized(Walk& walk, std::int32_t& size,
                                              const std::byte*& bytes) {
  std::uint32_t raw = 0;
  if (!walk.read(raw)) [[unlikely]]
    return false;
  size = unzigzag(raw);
  if (raw == zigzag(-1)) return true;
  if ((raw & 1) != 0 || size > walk.left()) [[unlikely]]
    return false;
  bytes = walk.at();
  return walk.skip(size);
}

template <class Walk>
[[nodiscard]] inline bool walk_headers(Walk& walk, std::int32_t count) {
  for (; count > 0; --count) {
    std::int32_t size = 0;
    if (!walk.read(size) || size < 0 || size > walk.left() || !walk.skip(size)) return false;
    if (!walk.read(size) || size < -1 || size > walk.left()) return false;
    if (size > 0 && !walk.skip(size)) return false;
  }
  return true;
}

// What follows a record's length. Null when all is well, else what is wrong.
template <class Walk>
[[gnu::always_inline]] inline const char* read_parts(Walk walk, RecordParts& parts) {
  // Attributes: none is defined.
  if (!walk.skip(1) || !walk.read(parts.timestamp_delta)) [[unlikely]]
    return "its timestamp delta is damaged";
  if (!walk.read(parts.offset_delta)) [[unlikely]]
    return "its offset delta is damaged";
  if (!read_sized(walk, parts.key_size, parts.key)) [[unlikely]]
    return "its key does not fit";
  if (!read_sized(walk, parts.value_size, parts.value)) [[unlikely]]
    return "its value does not fit";
  if (!walk.read(parts.header_count)) [[unlikely]]
    return "its header count is damaged";
  parts.headers = walk.at();
  if (parts.header_count != 0) {
    // A header takes two bytes at least.
    if (parts.header_count < 0 || parts.header_count > walk.left() / 2) [[unlikely]] {
      return "its header count does not fit";
    }
    if (!walk.skip_headers(parts.header_count)) [[unlikely]]
      return "its headers do not fit";
  }
  return walk.left() == 0 ? nullptr : "its parts do not add up to its length";
}

}  // namespace detail

/// The same near the end of a batch, where every byte of a number has to be looked for.
[[nodiscard]] const char* read_last_parts(const std::byte* at, const std::byte* record_end,
                                          const std::byte* end, RecordParts& parts);

/// Reads the record at `at` and moves `at` behind it. Null when all is well, else what is wrong,
/// and then nothing can be read after it.
///
/// Numbers are bounded by the batch's end and not by the record's: a record whose numbers reach
/// beyond its end cannot come out at its end, since the position only grows. All numbers before
/// and after key and value take at most 25 and 5 bytes: when there are 32 behind the record, none
/// needs a check of its own. The next record begins where this one's length says, so that the CPU
/// need not wait for the parts.
[[nodiscard, gnu::always_inline]] inline const char* read_record(const std::byte*& at,
                                                                 const std::byte* end,
                                                                 RecordParts& parts) {
  std::int32_t length = 0;
  const std::byte* const body = read_varint(at, end, length);
  if (body == nullptr) [[unlikely]]
    return "its length is damaged";
  if (length < static_cast<std::int32_t>(min_record_bytes - 1)) [[unlikely]] {
    return "its length is less than any record's";
  }
  if (length > end - body) [[unlikely]]
    return "its length exceeds the batch";
  const std::byte* const record_end = body + length;
  const char* fault = nullptr;
  if (end - record_end >= 32) [[likely]] {
    fault = detail::read_parts(detail::WalkInMemory<Room::ample>(body, record_end, end), parts);
  } else {
    RecordParts last;  // one of its own, so that `parts` may live in registers
    fault = read_last_parts(body, record_end, end, last);
    parts = last;
  }
  at = record_end;
  return fault;
}

}  // namespace dohle::wire
