#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "dohle/balancer.hpp"

namespace dohle::messaging {

struct BalancerAccess {
  [[nodiscard]] static const std::shared_ptr<const Partitioner>& partitioner(
      const kafka::Balancer& balancer) {
    return balancer.partitioner_;
  }
  [[nodiscard]] static std::uint64_t parameter(const kafka::Balancer& balancer) {
    return balancer.parameter_;
  }
};

/// The memories of the balancers of one Broker: one for each topic, name and parameters. Any
/// thread.
class BalancerMemories final : public std::enable_shared_from_this<BalancerMemories> {
 public:
  /// Default: 1,000,000. The most memories of a Broker.
  static constexpr std::size_t max_memories = 1'000'000;

  /// `seed` starts random choices.
  explicit BalancerMemories(std::uint64_t seed);

  /// The memory, made on first use. Null for a balancer without one, and beyond max_memories a
  /// memory of this call alone.
  [[nodiscard]] std::shared_ptr<Partitioner::Memory> of(std::string_view topic,
                                                        const kafka::Balancer& balancer) {
    return known(topic, balancer);
  }
  /// The same, without counting its users: valid until the calling thread asks for another one.
  [[nodiscard]] Partitioner::Memory* borrow(std::string_view topic,
                                            const kafka::Balancer& balancer) {
    return known(topic, balancer).get();
  }
  /// A partitioner for a producer of this Broker, which shares these memories.
  [[nodiscard]] std::shared_ptr<const Partitioner> sharing(const kafka::Balancer& balancer);

 private:
  using Kind = std::pair<kafka::BalancerName, std::uint64_t>;
  using Memory = std::shared_ptr<Partitioner::Memory>;

  /// The reference is valid until the calling thread calls it again.
  const Memory& known(std::string_view topic, const kafka::Balancer& balancer);
  Memory find_or_make(std::string_view topic, const Kind& kind, const Partitioner& partitioner);

  const std::uint64_t seed_;
  /// Unique in the process: threads remember memories by it.
  const std::uint64_t serial_;
  std::mutex mutex_;
  std::map<std::string, std::map<Kind, Memory>, std::less<>> memories_;
  std::size_t count_ = 0;
};

}  // namespace dohle::messaging
