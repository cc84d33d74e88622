#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/varint.hpp"

namespace dohle::wire {

/// One record inside a batch, with every length checked. A size of -1 means null.
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

/// One byte each: length, attributes, two deltas, key length, value length, header count.
inline constexpr std::size_t min_record_bytes = 7;

/// The byte after `count` headers, or null if one of them reaches beyond `record_end`, which is at
/// most `end`.
[[nodiscard]] const std::byte* skip_headers(const std::byte* at, const std::byte* record_end,
                                            const std::byte* end, std::int32_t count);

/// Reads a record of which every byte is in memory. RecordStream has another walk with the same
/// members, so that `read_parts` has the only copy of a record's rules. A call that returns false
/// ends the walk.
template <Room room>
class WalkInMemory {
 public:
  [[gnu::always_inline]] WalkInMemory(const std::byte* at, const std::byte* record_end,
                                      const std::byte* end)
      : at_(at), record_end_(record_end), end_(end) {}

  /// Bytes left of the record; negative if its numbers reach beyond its end.
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

// Reads begin and size of a key or value. False if it does not fit.
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

// Reads the parts after a record's length. Null without a fault, else the fault.
template <class Walk>
[[gnu::always_inline]] inline const char* read_parts(Walk walk, RecordParts& parts) {
  // Skips the attributes, of which none is defined.
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
    // A header takes at least two bytes.
    if (parts.header_count < 0 || parts.header_count > walk.left() / 2) [[unlikely]] {
      return "its header count does not fit";
    }
    if (!walk.skip_headers(parts.header_count)) [[unlikely]]
      return "its headers do not fit";
  }
  return walk.left() == 0 ? nullptr : "its parts do not add up to its length";
}

/// As `read_parts`, near the end of a batch, where every byte of a number needs a check.
[[nodiscard]] const char* read_last_parts(const std::byte* at, const std::byte* record_end,
                                          const std::byte* end, RecordParts& parts);

/// Reads the record at `at` and moves `at` behind it. Returns null, or the fault, after which no
/// further record can be read.
///
/// Numbers are checked against the batch's end, not the record's: the position only grows, so a
/// record whose numbers reach beyond its end fails the final check of its length. The numbers
/// before the key and after the value take at most 25 and 5 bytes; with 32 bytes after the record
/// no number needs a check. The next record's position follows from this one's length, so the CPU
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
    fault = read_parts(WalkInMemory<Room::ample>(body, record_end, end), parts);
  } else {
    RecordParts last;  // a local one, so that the compiler can keep `parts` in registers
    fault = read_last_parts(body, record_end, end, last);
    parts = last;
  }
  at = record_end;
  return fault;
}

}  // namespace dohle::wire
