#include "messaging/publish/balancers.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>

namespace dohle::messaging {

namespace {

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// Number of memories that a thread remembers.
constexpr std::size_t places = 16;

/// A topic's place: by its length, and its first and last eight bytes. A hash of all bytes would
/// cost more than most choices; topics of one place only evict each other.
std::size_t place_of(std::string_view topic) {
  constexpr std::uint64_t golden = 0x9E3779B97F4A7C15;
  std::uint64_t first = 0, last = 0;
  if (topic.size() >= sizeof first) {
    std::memcpy(&first, topic.data(), sizeof first);
    std::memcpy(&last, topic.data() + topic.size() - sizeof last, sizeof last);
  } else {
    for (const char each : topic) last = last << 8 | static_cast<unsigned char>(each);
  }
  return ((first ^ std::rotl(last, 32)) + topic.size()) * golden >> 60;
}
static_assert(places == std::size_t{1} << (64 - 60));

/// Shares the memories of a Broker among its producers.
class SharingPartitioner final : public Partitioner {
 public:
  SharingPartitioner(std::shared_ptr<BalancerMemories> memories, kafka::Balancer balancer)
      : memories_(std::move(memories)),
        balancer_(std::move(balancer)),
        chooses_(*BalancerAccess::partitioner(balancer_)) {}

  [[nodiscard]] std::shared_ptr<Memory> begin_topic(
      std::string_view topic, std::uint64_t /*seed*/) const noexcept override {
    return memories_->of(topic, balancer_);
  }
  [[nodiscard]] PartitionId choose(std::string_view topic, const Record& record,
                                   std::int32_t partitions, Memory* memory) const override {
    return chooses_.choose(topic, record, partitions, memory);
  }

 private:
  const std::shared_ptr<BalancerMemories> memories_;
  const kafka::Balancer balancer_;
  const Partitioner& chooses_;
};

}  // namespace

BalancerMemories::BalancerMemories(std::uint64_t seed) : seed_(seed), serial_(next_serial()) {}

const BalancerMemories::Memory& BalancerMemories::known(std::string_view topic,
                                                        const kafka::Balancer& balancer) {
  // A user's function has no memory.
  static const Memory none;
  if (!balancer.name()) return none;
  struct Known {
    std::uint64_t serial = 0;
    Kind kind;
    std::string topic;
    Memory memory;
  };
  thread_local std::array<Known, places> remembered;
  const Kind kind{*balancer.name(), BalancerAccess::parameter(balancer)};
  Known& slot = remembered[place_of(topic)];
  if (slot.serial != serial_ || slot.kind != kind || slot.topic != topic) {
    slot = {serial_, kind, std::string(topic),
            find_or_make(topic, kind, *BalancerAccess::partitioner(balancer))};
  }
  return slot.memory;
}

std::shared_ptr<Partitioner::Memory> BalancerMemories::find_or_make(
    std::string_view topic, const Kind& kind, const Partitioner& partitioner) {
  const std::lock_guard lock(mutex_);
  const auto known = memories_.find(topic);
  if (known != memories_.end()) {
    if (const auto found = known->second.find(kind); found != known->second.end()) {
      return found->second;
    }
  }
  auto made = partitioner.begin_topic(topic, seed_ + count_);
  if (count_ == max_memories) return made;
  ++count_;
  memories_[std::string(topic)].emplace(kind, made);
  return made;
}

std::shared_ptr<const Partitioner> BalancerMemories::sharing(const kafka::Balancer& balancer) {
  return std::make_shared<SharingPartitioner>(shared_from_this(), balancer);
}

}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {
namespace kafka {

namespace {

constexpr std::pair<BalancerName, std::string_view> names[] = {
    {BalancerName::least_bytes, "LeastBytes"},
    {BalancerName::round_robin, "RoundRobin"},
    {BalancerName::hash, "Hash"},
    {BalancerName::reference_hash, "ReferenceHash"},
    {BalancerName::crc32, "CRC32Balancer"},
    {BalancerName::murmur2, "Murmur2Balancer"},
};

}  // namespace

std::string_view to_string(BalancerName name) {
  for (const auto& [each, text] : names) {
    if (each == name) return text;
  }
  return "?";
}

Result<BalancerName> parse_balancer_name(std::string_view text) {
  std::string allowed;
  for (const auto& [name, each] : names) {
    if (each == text) return name;
    allowed += (allowed.empty() ? "" : ", ") + std::string(each);
  }
  return fail(
      Error::configuration("balancer is \"" + std::string(text) + "\"; allowed are " + allowed));
}

Balancer::Balancer(std::optional<BalancerName> name, std::uint64_t parameter,
                   std::shared_ptr<const Partitioner> partitioner)
    : name_(name), parameter_(parameter), partitioner_(std::move(partitioner)) {}

Balancer Balancer::least_bytes() {
  return {BalancerName::least_bytes, 0, least_bytes_partitioner()};
}
Balancer Balancer::round_robin(std::size_t chunk) {
  const std::size_t used = chunk == 0 ? 1 : chunk;
  return {BalancerName::round_robin, used, round_robin_partitioner(used)};
}
Balancer Balancer::hash(KeyHasher hasher) {
  return {BalancerName::hash, 0, hash_partitioner(std::move(hasher))};
}
Balancer Balancer::reference_hash(KeyHasher hasher) {
  return {BalancerName::reference_hash, 0, reference_hash_partitioner(std::move(hasher))};
}
Balancer Balancer::crc32(bool consistent) {
  return {BalancerName::crc32, consistent ? 1u : 0u, crc32_partitioner(consistent)};
}
Balancer Balancer::murmur2(bool consistent) {
  return {BalancerName::murmur2, consistent ? 1u : 0u, murmur2_partitioner(consistent)};
}
Balancer Balancer::function(PartitionChoice choice) {
  return {std::nullopt, 0, function_partitioner(std::move(choice))};
}
Balancer Balancer::named(BalancerName name) {
  switch (name) {
    case BalancerName::least_bytes:
      return least_bytes();
    case BalancerName::round_robin:
      return round_robin();
    case BalancerName::hash:
      return hash();
    case BalancerName::reference_hash:
      return reference_hash();
    case BalancerName::crc32:
      return crc32();
    case BalancerName::murmur2:
      break;
  }
  return murmur2();
}

}  // namespace kafka
}  // namespace v0
}  // namespace dohle
