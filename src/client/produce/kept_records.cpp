#include "client/produce/kept_records.hpp"

#include "base/assert.hpp"
#include "wire/record_walk.hpp"

namespace dohle::client {

namespace {

std::optional<Bytes> nullable(const std::byte* bytes, std::int32_t size) {
  if (size < 0) return std::nullopt;
  return Bytes(bytes, static_cast<std::size_t>(size));
}

}  // namespace

std::vector<RecordView> KeptRecords::views(std::uint32_t first, std::uint32_t count,
                                           Offset base_offset, Slice& flat) const {
  auto whole = records_.flatten();
  DOHLE_ASSERT(whole.has_value(), "records in memory cannot be read");
  flat = *std::move(whole);
  const std::byte* at = flat.data();
  const std::byte* const end = at + flat.size();
  std::vector<RecordView> all;
  all.reserve(count);
  for (std::uint32_t index = 0; index < first + count; ++index) {
    wire::RecordParts parts;
    const char* fault = wire::read_record(at, end, parts);
    DOHLE_ASSERT(fault == nullptr, "a record of the producer's own is malformed");
    if (index < first) continue;
    RecordView& view = all.emplace_back();
    if (!base_offset.is_none()) view.offset = base_offset + (index - first);
    view.timestamp = Timestamp{base_timestamp_.value + parts.timestamp_delta};
    view.key = nullable(parts.key, parts.key_size);
    view.value = nullable(parts.value, parts.value_size);
    view.headers = HeaderRange(parts.headers, static_cast<std::uint32_t>(parts.header_count));
  }
  return all;
}

}  // namespace dohle::client
