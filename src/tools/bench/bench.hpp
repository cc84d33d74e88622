#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dohle/client.hpp"
#include "dohle/consumer.hpp"
#include "dohle/producer.hpp"
#include "tools/bench/measurement.hpp"
#include "tools/commands/connection.hpp"

/// The arguments of `dohle bench`, and one function for each of its measurements.
namespace dohle::tools {

struct BenchArguments {
  ConnectionFlags connection;
  std::string topic;
  std::uint64_t records = 1'000'000;
  std::uint64_t size_bytes = 100;
  /// 0 if the topic must exist.
  std::int32_t partitions = 0;
  std::optional<Acks> acks;
  /// The linger without a flag or a property.
  std::chrono::microseconds usual_linger = ProducerOptions{}.linger;
  std::optional<std::chrono::microseconds> linger;
  std::optional<std::uint64_t> buffer_bytes;
  std::uint64_t threads = 1;
  /// Records per second; 0 for the highest rate.
  std::uint64_t rate = 0;
  /// Each thread waits for a record's outcome before it sends the next.
  bool is_one_by_one = false;
  std::string group;
  bool is_json = false;
  /// All properties, set once the command line is parsed.
  PropertyValues properties = {};
};

Result<Measurement> bench_produce(const BenchArguments& arguments, Client& client);
Result<Measurement> bench_consume(const BenchArguments& arguments, Client& client);
Result<Measurement> bench_e2e(const BenchArguments& arguments, Client& client);

/// Random bytes that values are taken from, so that a measurement does not include generating them.
class Payloads {
 public:
  explicit Payloads(std::size_t size_bytes);
  [[nodiscard]] Bytes at(std::uint64_t number) const {
    return {bytes_.data() + number * step % pool_bytes, size_bytes_};
  }

 private:
  static constexpr std::size_t pool_bytes = 1 << 20, step = 61;
  std::size_t size_bytes_;
  std::vector<std::byte> bytes_;
};

/// The group of the arguments, else a new unique one.
std::string bench_group(const BenchArguments& arguments);
/// Errors: configuration, if a value does not fit into the buffer.
Result<ProducerOptions> bench_producer_options(const BenchArguments& arguments);
ConsumerOptions bench_consumer_options(const BenchArguments& arguments, OffsetReset from);

}  // namespace dohle::tools
