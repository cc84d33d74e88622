#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "client/produce/partitioners/key_hash.hpp"
#include "dohle/partitioner.hpp"
#include "golden_lines.hpp"

namespace dohle {
namespace {

using golden::Line;

std::shared_ptr<const Partitioner> partitioner_of(const Line& line) {
  const std::string name = line["partitioner"];
  const bool consistent = line["consistent"];
  const KeyHasher hasher =
      line.value("hasher", "") == "crc32" ? KeyHasher(&client::crc32) : nullptr;
  if (name == "murmur2") return murmur2_partitioner(consistent);
  if (name == "crc32") return crc32_partitioner(consistent);
  if (name == "hash") return hash_partitioner(hasher);
  if (name == "reference_hash") return reference_hash_partitioner(hasher);
  if (name == "round_robin") return round_robin_partitioner(line.value("chunk", 0u));
  if (name == "least_bytes") return least_bytes_partitioner();
  return nullptr;
}

void expect_partitions_of(const Line& line) {
  const auto partitioner = partitioner_of(line);
  ASSERT_TRUE(partitioner) << line["partitioner"];
  const auto memory = partitioner->begin_topic("t", 1);
  for (const Line& each : line["records"]) {
    std::optional<Slice> key;
    if (!each["key"].is_null()) key = golden::from_base64(each["key"].get<std::string>());
    const std::string value(each.value("value_bytes", 0u), 'v');
    Record record{.value = as_bytes(value)};
    if (key) record.key = key->bytes();
    const std::int32_t partitions = each.value("count", line["partitions"].get<std::int32_t>());
    EXPECT_EQ(partitioner->choose("t", record, partitions, memory.get()).value, each["partition"])
        << line["by"] << " " << line["partitioner"] << " of " << partitions << ", key "
        << each["key"];
    if (testing::Test::HasFailure()) return;
  }
}

// make-partitions names the programs that chose them.
TEST(Partitions, EqualThoseOfJavaKafkaGoAndLibrdkafka) {
  std::map<std::string, int> seen;
  for (const Line& line : golden::read_lines(DOHLE_GOLDEN_PARTITIONS)) {
    ++seen[line["by"].get<std::string>() + " " + line["partitioner"].get<std::string>()];
    expect_partitions_of(line);
  }
  const std::map<std::string, int> expected = {
      {"java murmur2", 7},          {"kafka-go crc32", 14},   {"kafka-go hash", 14},
      {"kafka-go least_bytes", 8},  {"kafka-go murmur2", 14}, {"kafka-go reference_hash", 14},
      {"kafka-go round_robin", 21}, {"librdkafka crc32", 14}, {"librdkafka murmur2", 14},
      {"librdkafka hash", 7}};
  EXPECT_EQ(seen, expected);
}

}  // namespace
}  // namespace dohle
