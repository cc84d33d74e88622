#include "round_trip.hpp"
#include "wire/batch.hpp"
#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/crc32c.hpp"

// A record batch as a client receives it in a fetch and a node in a produce request. Length and CRC
// are corrected first, since few inputs would pass them otherwise.

namespace {

using namespace dohle;

constexpr wire::DecompressionLimits limits{.max_bytes = std::size_t{8} << 20};

Slice put_right(Bytes input) {
  namespace at = wire::batch_at;
  return Slice::made(input.size(), [&](std::span<std::byte> batch) {
    std::memcpy(batch.data(), input.data(), input.size());
    if (batch.size() < wire::batch_header_bytes) return;
    wire::store_big_endian(batch.data() + at::batch_length,
                           static_cast<std::int32_t>(batch.size() - wire::batch_log_overhead));
    wire::store_big_endian(batch.data() + at::crc, wire::crc32c(0, batch.subspan(at::crc_begin)));
  });
}

void must_lie_within(const Slice& records, const std::optional<Bytes>& bytes) {
  if (!bytes || bytes->empty()) return;
  const auto* begin = records.data();
  const auto* end = begin + records.size();
  if (bytes->data() < begin || bytes->data() + bytes->size() > end) {
    fuzz::report("batch", "a view leads out of the batch");
  }
}

/// The number of records that the reader returns; -1 for a fault.
std::int64_t read(const Slice& batch, bool check_crc) {
  auto reader = wire::BatchReader::open(batch, check_crc, limits);
  if (!reader) return -1;
  std::int64_t count = 0;
  RecordView record;
  while (reader->next(record)) {
    ++count;
    must_lie_within(reader->records(), record.key);
    must_lie_within(reader->records(), record.value);
    for (const HeaderView& header : record.headers) {
      must_lie_within(reader->records(), as_bytes(header.name));
      must_lie_within(reader->records(), header.value);
    }
  }
  return reader->fault() != nullptr ? -1 : count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input{reinterpret_cast<const std::byte*>(data), size};
  (void)read(Slice::copy_of(input), false);
  const Slice batch = put_right(input);
  const std::int64_t count = read(batch, true);
  const auto validated = wire::validate_produced_batch(batch, limits);
  if (validated && validated->count != count) {
    fuzz::report("batch", "accepted, and then read otherwise");
  }
  return 0;
}
