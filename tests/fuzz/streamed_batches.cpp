#include "round_trip.hpp"
#include "wire/batch_layout.hpp"
#include "wire/big_endian.hpp"
#include "wire/compression.hpp"
#include "wire/crc32c.hpp"
#include "wire/streamed_batch.hpp"

// Validation of a produced batch has the same result streamed, through small windows and a large
// one, as in memory. Each input is also tested with its records compressed, since few inputs would
// pass a codec.

namespace {

using namespace dohle;

constexpr wire::DecompressionLimits limits{.max_bytes = std::size_t{1} << 20};

Slice put_right(Bytes header, Bytes records, std::optional<wire::Compression> codec) {
  namespace at = wire::batch_at;
  return Slice::made(header.size() + records.size(), [&](std::span<std::byte> batch) {
    std::memcpy(batch.data(), header.data(), header.size());
    if (!records.empty()) {
      std::memcpy(batch.data() + header.size(), records.data(), records.size());
    }
    if (codec) {
      const auto attributes = wire::load_big_endian<std::int16_t>(batch.data() + at::attributes);
      wire::store_big_endian(
          batch.data() + at::attributes,
          static_cast<std::int16_t>((attributes & ~7) | static_cast<int>(*codec)));
    }
    wire::store_big_endian(batch.data() + at::batch_length,
                           static_cast<std::int32_t>(batch.size() - wire::batch_log_overhead));
    wire::store_big_endian(batch.data() + at::crc, wire::crc32c(0, batch.subspan(at::crc_begin)));
  });
}

void must_agree(const Result<wire::ProducedBatch>& in_memory, const Slice& batch) {
  for (const std::size_t window :
       {wire::min_record_window_bytes, std::size_t{100}, std::size_t{64} << 10}) {
    const auto streamed = wire::validate_streamed(batch, limits, window);
    // A zstd frame has a window of more than 128 MiB.
    if (!streamed && streamed.error().is(Errc::limit_reached)) continue;
    if (streamed.has_value() != in_memory.has_value()) {
      fuzz::report("batch",
                   streamed ? "accepted only when streamed" : "refused only when streamed");
    }
    if (streamed &&
        (streamed->earliest != in_memory->earliest || streamed->latest != in_memory->latest ||
         streamed->count != in_memory->count)) {
      fuzz::report("batch", "streamed, it says something else");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < wire::batch_header_bytes) return 0;
  const Bytes input{reinterpret_cast<const std::byte*>(data), size};
  const Bytes header = input.first(wire::batch_header_bytes);
  const Bytes records = input.subspan(wire::batch_header_bytes);
  const Slice as_is = put_right(header, records, std::nullopt);
  must_agree(wire::validate_produced_batch(as_is, limits), as_is);

  const auto plain =
      wire::validate_produced_batch(put_right(header, records, wire::Compression::none), limits);
  const auto codec = static_cast<wire::Compression>(1 + data[wire::batch_at::attributes] % 4);
  const auto compressed = wire::compress(codec, std::nullopt, Chain(Slice::copy_of(records)));
  if (!compressed) fuzz::report("batch", "its records cannot be compressed");
  must_agree(plain, put_right(header, compressed->flatten()->bytes(), codec));
  return 0;
}
