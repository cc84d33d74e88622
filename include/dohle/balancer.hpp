#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/partitioner.hpp"

namespace dohle::messaging {
struct BalancerAccess;
}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {
namespace kafka {

/// The balancers that have a name.
enum class BalancerName : std::uint8_t {
  least_bytes,     ///< "LeastBytes"
  round_robin,     ///< "RoundRobin"
  hash,            ///< "Hash"
  reference_hash,  ///< "ReferenceHash"
  crc32,           ///< "CRC32Balancer"
  murmur2,         ///< "Murmur2Balancer"
};
/// The name that the comments at the values of BalancerName give.
[[nodiscard]] DOHLE_API std::string_view to_string(BalancerName name);
/// Parses the texts of to_string. Errors: configuration, with the allowed names.
[[nodiscard]] DOHLE_API Result<BalancerName> parse_balancer_name(std::string_view text);

/// Chooses the partitions of messages that name none: a partitioner of the client, for a Broker or
/// for one publish. The state of a balancer, such as the next partition in turn, belongs to the
/// Broker. There is one state for each topic, name and parameter, and all publishes share it.
/// "Without a key" means that the key is absent. An empty key is a key, except for crc32.
///
/// Thread safety: copies may be used from any thread.
class DOHLE_API Balancer {
 public:
  /// See least_bytes_partitioner.
  [[nodiscard]] static Balancer least_bytes();
  /// See round_robin_partitioner. With the default chunk the partition changes with each message,
  /// as in kafka-go.
  [[nodiscard]] static Balancer round_robin(std::size_t chunk = 1);
  /// See hash_partitioner.
  [[nodiscard]] static Balancer hash(KeyHasher hasher = nullptr);
  /// See reference_hash_partitioner.
  [[nodiscard]] static Balancer reference_hash(KeyHasher hasher = nullptr);
  /// See crc32_partitioner.
  [[nodiscard]] static Balancer crc32(bool consistent = false);
  /// See murmur2_partitioner.
  [[nodiscard]] static Balancer murmur2(bool consistent = false);
  /// Chooses with a function of the topic, the record and the number of partitions. If the function
  /// returns none, the client chooses. An empty function is a configuration error of new_broker and
  /// of publish.
  [[nodiscard]] static Balancer function(PartitionChoice choice);
  /// The balancer of that name, with the defaults of its parameters.
  [[nodiscard]] static Balancer named(BalancerName name);

  /// The balancer's name. Absent for a function.
  [[nodiscard]] std::optional<BalancerName> name() const noexcept { return name_; }

  /// True for copies of one balancer. Two balancers that were made separately are not equal.
  friend bool operator==(const Balancer& one, const Balancer& other) {
    return one.partitioner_ == other.partitioner_;
  }

 private:
  friend struct messaging::BalancerAccess;
  Balancer(std::optional<BalancerName> name, std::uint64_t parameter,
           std::shared_ptr<const Partitioner> partitioner);

  std::optional<BalancerName> name_;
  /// The chunk, or 1 for consistent.
  std::uint64_t parameter_;
  std::shared_ptr<const Partitioner> partitioner_;
};

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
