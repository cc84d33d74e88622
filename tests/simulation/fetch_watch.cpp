#include "simulation/fetch_watch.hpp"

#include <algorithm>
#include <string>

#include "wire/big_endian.hpp"
#include "wire/header.hpp"
#include "wire/messages/fetch.hpp"

namespace dohle::simulation {

void FetchWatch::hear(const sim::ReadFrame& frame) {
  if (frame.bytes.size() < 2 * sizeof(std::int32_t)) return;
  if (!frame.is_read_by_dialer) {
    const auto key = wire::load_big_endian<std::int16_t>(frame.bytes.data());
    if (key != static_cast<std::int16_t>(wire::ApiKey::fetch)) return;
    const auto version = wire::load_big_endian<std::int16_t>(frame.bytes.data() + 2);
    const auto correlation = wire::load_big_endian<std::int32_t>(frame.bytes.data() + 4);
    asked_[{frame.connection, correlation}] = {version, node_->life()};
    return;
  }
  const auto correlation = wire::load_big_endian<std::int32_t>(frame.bytes.data());
  const auto asked = asked_.extract({frame.connection, correlation});
  if (asked.empty()) return;
  const auto [version, life] = asked.mapped();
  const auto split = wire::decode_response_header(frame.bytes, wire::FetchRequest::api, version);
  if (!split) return;
  const auto answer = wire::decode<wire::FetchResponse>(split->body, version);
  if (!answer) return;
  for (const auto& topic : answer->responses) {
    for (const auto& partition : topic.partitions) {
      if (partition.error_code != 0) continue;
      lets_read(life, partition.partition_index.value, partition.high_watermark.value);
    }
  }
}

void FetchWatch::lets_read(unsigned life, std::int32_t partition, std::int64_t high_watermark) {
  for (const auto& [earlier, by_partition] : told_) {
    const auto before = by_partition.find(partition);
    if (earlier >= life || before == by_partition.end()) continue;
    if (high_watermark >= before->second) continue;
    complaints_.add("partition " + std::to_string(partition) + ": the node let read up to " +
                    std::to_string(before->second) + " and in a later life up to " +
                    std::to_string(high_watermark));
  }
  std::int64_t& highest = told_[life].try_emplace(partition, high_watermark).first->second;
  highest = std::max(highest, high_watermark);
}

}  // namespace dohle::simulation
