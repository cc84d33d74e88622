#include "client/produce/producer_options.hpp"

#include <chrono>

#include "base/option_checks.hpp"
#include "base/slice.hpp"
#include "wire/compression.hpp"

namespace dohle::client {

namespace {

constexpr std::int64_t day_ms = 86'400'000;

Result<void> check_sizes(const ProducerOptions& options) {
  const std::int64_t gibibyte = std::int64_t{1} << 30;
  return check_options({
      {"batch_bytes", as_value(options.batch_bytes), 512, gibibyte, "bytes"},
      {"batch_records", as_value(options.batch_records.value_or(1)), 1, INT32_MAX},
      {"buffer_bytes", as_value(options.buffer_bytes), 32'768, INT64_MAX, "bytes"},
      {"max_request_bytes", as_value(options.max_request_bytes), 1'024, INT32_MAX, "bytes"},
      {"max_in_flight", options.max_in_flight, 1, options.idempotence ? 5 : 100},
      {"retries", options.retries.value_or(0), 0, INT32_MAX},
  });
}

Result<void> check_times(const ProducerOptions& options) {
  return check_options({
      {"linger", options.linger.count(), 0, 60'000'000, "us"},
      {"max_block", options.max_block.count(), 0, day_ms, "ms"},
      {"request_timeout", options.request_timeout.count(), 1, 1'200'000, "ms"},
      {"ack_timeout", options.ack_timeout.value_or(options.request_timeout).count(), 1,
       options.request_timeout.count(), "ms"},
      {"delivery_timeout", options.delivery_timeout.count(), 1, day_ms, "ms"},
  });
}

Result<void> check_enums(const ProducerOptions& options) {
  using enum CompressionCodec;
  if (auto acks = check_enum("acks", options.acks, {Acks::none, Acks::leader, Acks::all}); !acks) {
    return acks;
  }
  return check_enum("compression", options.compression, {none, gzip, snappy, lz4, zstd});
}

}  // namespace

Result<void> check(const ProducerOptions& options) {
  if (auto enums = check_enums(options); !enums) return enums;
  if (auto sizes = check_sizes(options); !sizes) return sizes;
  if (auto times = check_times(options); !times) return times;
  if (options.idempotence && options.acks != Acks::all) {
    return fail(Error::configuration(
        "idempotence is on and acks is not all; a record is stored once only with acks all"));
  }
  if (options.batch_bytes > options.max_request_bytes) {
    return fail(
        Error::configuration("batch_bytes is above max_request_bytes; a batch has to fit "
                             "into a request"));
  }
  const auto lowest = std::chrono::ceil<std::chrono::milliseconds>(options.linger);
  if (options.delivery_timeout < lowest) {
    return fail(Error::configuration(
        "delivery_timeout is " + std::to_string(options.delivery_timeout.count()) +
        " ms; it has to be at least linger, " + std::to_string(lowest.count()) + " ms"));
  }
  if (options.compression_level) {
    // The codec checks the level against its own scale.
    const auto tried =
        wire::compress(static_cast<wire::Compression>(options.compression),
                       options.compression_level, Chain(Slice::borrowed(as_bytes("-"))));
    if (!tried) return fail(tried.error().within("compression_level"));
  }
  return {};
}

}  // namespace dohle::client
