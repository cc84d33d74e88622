#include "simulation/observer.hpp"

#include <charconv>
#include <memory>

#include "sim/machine.hpp"
#include "wire/messages/create_topics.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/offset_fetch.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;

Observer::Observer(sim::World& world, Complaints& complaints)
    : world_(world),
      complaints_(complaints),
      process_(&world.machine("observer").start("observer", [](sim::Process&) {
        return std::make_shared<int>();
      })) {}

bool Observer::create_topic(const std::string& topic, std::size_t partitions,
                            const std::string& max_message_bytes) {
  wire::CreateTopicsRequest request;
  auto& made = request.topics.emplace_back();
  made.name = topic;
  made.num_partitions = static_cast<std::int32_t>(partitions);
  made.replication_factor = 1;
  made.configs.push_back({"segment.bytes", "32768"});
  made.configs.push_back({"max.message.bytes", max_message_bytes});
  const auto created = ask(request, wire::CreateTopicsRequest::api.versions.max, 5s);
  return created && created->topics.at(0).error_code == 0;
}

void Observer::observe(Readings& readings, const std::string& group, const std::string& topic) {
  if (!readings.commits()) return;
  wire::OffsetFetchRequest request;
  request.group_id = group;
  auto& asked = request.topics->emplace_back();
  asked.name = topic;
  std::vector<std::int64_t> least;
  for (std::int32_t i = 0; i < readings.partitions(); ++i) {
    asked.partition_indexes.push_back(PartitionId{i});
    least.push_back(readings.least_committed(PartitionId{i}));
  }
  const auto answer = ask(request, 7, 1s);  // the last version with one group
  if (!answer || answer->error_code != 0 || answer->topics.empty()) return;
  std::string line = readings.name() + " has committed";
  for (const auto& each : answer->topics.at(0).partitions) {
    if (each.error_code != 0) continue;
    const auto index = static_cast<std::size_t>(each.partition_index.value);
    line += " " + std::to_string(each.committed_offset.value);
    readings.observed(each.partition_index, each.committed_offset, least.at(index));
  }
  world_.note("observer", line);
}

bool Observer::read_log(const std::string& topic, Ledger& ledger, std::vector<LogContents>& log) {
  for (std::size_t i = 0; i < log.size(); ++i) {
    const PartitionId partition{static_cast<std::int32_t>(i)};
    if (!read_partition(topic, partition, ledger, log[i])) return false;
  }
  return true;
}

bool Observer::read_partition(const std::string& topic, PartitionId partition, Ledger& ledger,
                              LogContents& log) {
  wire::FetchRequest request;
  request.max_bytes = 1 << 20;
  auto& wanted = request.topics.emplace_back();
  wanted.topic = topic;
  auto& from = wanted.partitions.emplace_back();
  from.partition = partition;
  from.partition_max_bytes = 1 << 20;
  from.fetch_offset = Offset{0};
  for (;;) {
    const auto answer = ask(request, 12, 30s);  // the last version with topic names
    if (!answer) return false;
    const auto& data = answer->responses.at(0).partitions.at(0);
    if (data.error_code != 0) {
      complaints_.add("partition " + std::to_string(partition.value) + " answers " +
                      Error::broker(data.error_code).to_string());
      return false;
    }
    const Offset before = from.fetch_offset;
    if (data.records &&
        !take(*data.records->flatten(), partition, from.fetch_offset, ledger, log)) {
      return false;
    }
    if (from.fetch_offset == data.high_watermark) return true;
    if (from.fetch_offset == before) return false;
  }
}

bool Observer::take(Slice bytes, PartitionId partition, Offset& next, Ledger& ledger,
                    LogContents& log) {
  while (!bytes.empty()) {
    const auto header = wire::read_batch_header(bytes.bytes());
    if (!header) return false;
    auto batch = wire::BatchReader::open(bytes.sub(0, header->size()));
    if (!batch) return false;
    ledger.found_batch(*header, partition);
    for (RecordView record; batch->next(record);) {
      if (record.offset != next) complaints_.add("a gap in the log");
      next = Offset{record.offset.value + 1};
      const std::string_view text = as_text(record.value.value_or(Bytes()));
      std::size_t number = 0;
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
      if (parsed.ec != std::errc()) {
        complaints_.add("'" + std::string(text) + "' is in the log and was never sent");
        continue;
      }
      ledger.found(number, partition, record.offset);
      log.push_back(number);
    }
    bytes = bytes.sub(header->size());
  }
  return true;
}

}  // namespace dohle::simulation
