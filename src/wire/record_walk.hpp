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

// Where key and value begin and how long they are. Null: they do not fit.
template <Room room>
[[gnu::always_inline]] inline const std::byte* read_sized(const std::byte* at,
                                                          const std::byte* record_end,
                                                          const std::byte* end, std::int32_t& size,
                                                          const std::byte*& bytes) {
  std::uint32_t raw = 0;
  at = read_unsigned<room>(at, end, raw);
  if (at == nullptr) [[unlikely]]
    return nullptr;
  size = unzigzag(raw);
  if (raw == zigzag(-1)) return at;
  if ((raw & 1) != 0 || size > record_end - at) [[unlikely]]
    return nullptr;
  bytes = at;
  return at + size;
}

// What follows a record's length. Null when all is well, else what is wrong.
template <Room room>
[[gnu::always_inline]] inline const char* read_parts(const std::byte* at,
                                                     const std::byte* record_end,
                                                     const std::byte* end, RecordParts& parts) {
  ++at;  // attributes: none is defined
  at = read_varlong<room>(at, end, parts.timestamp_delta);
  if (at == nullptr) [[unlikely]]
    return "its timestamp delta is damaged";
  at = read_varint<room>(at, end, parts.offset_delta);
  if (at == nullptr) [[unlikely]]
    return "its offset delta is damaged";
  at = read_sized<room>(at, record_end, end, parts.key_size, parts.key);
  if (at == nullptr) [[unlikely]]
    return "its key does not fit";
  at = read_sized<room>(at, record_end, end, parts.value_size, parts.value);
  if (at == nullptr) [[unlikely]]
    return "its value does not fit";
  at = read_varint<room>(at, end, parts.header_count);
  if (at == nullptr) [[unlikely]]
    return "its header count is damaged";
  parts.headers = at;
  if (parts.header_count != 0) {
    // A header takes two bytes at least.
    if (parts.header_count < 0 || parts.header_count > (record_end - at) / 2) [[unlikely]] {
      return "its header count does not fit";
    }
    at = skip_headers(at, record_end, end, parts.header_count);
    if (at == nullptr) [[unlikely]]
      return "its headers do not fit";
  }
  return at == record_end ? nullptr : "its parts do not add up to its length";
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
    fault = detail::read_parts<Room::ample>(body, record_end, end, parts);
  } else {
    RecordParts last;  // one of its own, so that `parts` may live in registers
    fault = read_last_parts(body, record_end, end, last);
    parts = last;
  }
  at = record_end;
  return fault;
}

}  // namespace dohle::wire
