#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/slice.hpp"
#include "wire/batch_layout.hpp"
#include "wire/compression.hpp"
#include "wire/crc32c.hpp"

namespace dohle::client {

/// A record batch as servers store it, encoded by the test. It may have gaps, as after compaction,
/// or mark a transaction's end, unlike a producer's batches. Values are short.
struct MadeBatch {
  std::int64_t base_offset = 0;
  /// Offset delta and value of each record.
  std::vector<std::pair<int, std::string>> records = {};
  wire::Compression codec = wire::Compression::none;
  /// Default: -1, the last record's. More if compaction removed the last records.
  std::int32_t last_offset_delta = -1;
  /// In addition to the codec's bits: 16 transactional, 32 control.
  std::int16_t attributes = 0;
  std::int32_t leader_epoch = 3;

  [[nodiscard]] Slice bytes() const;
};

/// Records "0", "1", … at consecutive offsets.
inline MadeBatch plain_batch(std::int64_t base_offset, int count) {
  MadeBatch made{.base_offset = base_offset};
  for (int i = 0; i < count; ++i) made.records.emplace_back(i, std::to_string(base_offset + i));
  return made;
}

inline Slice MadeBatch::bytes() const {
  std::string text;
  const auto varint = [](std::string& into, std::int64_t value) {
    auto zigzag = static_cast<std::uint64_t>(value << 1) ^ static_cast<std::uint64_t>(value >> 63);
    for (; zigzag >= 128; zigzag >>= 7) into.push_back(static_cast<char>(zigzag | 128));
    into.push_back(static_cast<char>(zigzag));
  };
  for (const auto& [delta, value] : records) {
    std::string record(1, '\0');
    varint(record, 0);
    varint(record, delta);
    varint(record, -1);
    varint(record, static_cast<std::int64_t>(value.size()));
    record += value;
    varint(record, 0);
    varint(text, static_cast<std::int64_t>(record.size()));
    text += record;
  }
  Slice stored = Slice::copy_of(text);
  if (codec != wire::Compression::none) {
    stored = wire::compress(codec, {}, Chain(stored)).value().flatten().value();
  }
  const std::int32_t last =
      last_offset_delta >= 0 ? last_offset_delta : (records.empty() ? 0 : records.back().first);
  return Slice::made(wire::batch_header_bytes + stored.size(), [&](std::span<std::byte> out) {
    const auto put = [&](std::size_t at, std::size_t width, std::int64_t value) {
      for (std::size_t i = width; i-- > 0; value >>= 8) {
        out[at + i] = static_cast<std::byte>(value & 255);
      }
    };
    namespace at = wire::batch_at;
    put(at::base_offset, 8, base_offset);
    put(at::batch_length, 4, static_cast<std::int64_t>(out.size() - wire::batch_log_overhead));
    put(at::leader_epoch, 4, leader_epoch);
    put(at::magic, 1, 2);
    put(at::attributes, 2, attributes | static_cast<std::int16_t>(codec));
    put(at::last_offset_delta, 4, last);
    put(at::base_timestamp, 8, 1'700'000'000'000);
    put(at::max_timestamp, 8, 1'700'000'000'000);
    put(at::producer_id, 8, -1);
    put(at::producer_epoch, 2, -1);
    put(at::base_sequence, 4, -1);
    put(at::count, 4, static_cast<std::int64_t>(records.size()));
    std::ranges::copy(stored.bytes(), out.begin() + wire::batch_at::records);
    const Bytes covered(out.data() + at::crc_begin, out.size() - at::crc_begin);
    put(at::crc, 4, wire::crc32c(0, covered));
  });
}

}  // namespace dohle::client
