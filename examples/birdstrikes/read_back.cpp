#include "read_back.hpp"

#include <chrono>

#include "dohle/consumer.hpp"
#include "row_header.hpp"

namespace birdstrikes {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds max_read_time{30};

struct End {
  dohle::TopicPartition partition;
  dohle::Offset offset;
};

std::string text_of(const std::optional<dohle::Bytes>& bytes) {
  return bytes ? std::string(dohle::as_text(*bytes)) : std::string();
}

StoredRow stored_row(const dohle::ConsumerRecord& record) {
  const auto header = record.headers.first(row_header);
  return {.row = header ? row_number(dohle::as_text(*header)) : 0,
          .partition = record.partition,
          .offset = record.offset,
          .key = text_of(record.key),
          .checksum = checksum_of(text_of(record.value))};
}

// Looks up the end of each partition, then seeks to its beginning.
dohle::Result<std::vector<End>> find_ends(dohle::Consumer& consumer,
                                          const std::vector<dohle::TopicPartition>& partitions) {
  std::vector<End> ends;
  for (const dohle::TopicPartition& partition : partitions) {
    if (auto sought = consumer.seek_to_end(partition); !sought) return dohle::fail(sought.error());
    const auto end = consumer.position(partition);
    if (!end) return dohle::fail(end.error());
    if (auto back = consumer.seek(partition, dohle::Offset{0}); !back) {
      return dohle::fail(back.error());
    }
    ends.push_back({partition, *end});
  }
  return ends;
}

dohle::Result<bool> is_at_end(dohle::Consumer& consumer, const std::vector<End>& ends) {
  for (const End& end : ends) {
    const auto position = consumer.position(end.partition);
    if (!position) return dohle::fail(position.error());
    if (*position < end.offset) return false;
  }
  return true;
}

dohle::Result<std::vector<StoredRow>> read_to(dohle::Consumer& consumer,
                                              const std::vector<End>& ends) {
  std::vector<StoredRow> rows;
  const auto deadline = Clock::now() + max_read_time;
  for (;;) {
    const auto done = is_at_end(consumer, ends);
    if (!done) return dohle::fail(done.error());
    if (*done) return rows;
    if (Clock::now() > deadline) {
      return dohle::fail(
          dohle::Error::client(dohle::Errc::timed_out, "the topic was not read back within 30 s"));
    }
    auto records = consumer.poll(std::chrono::milliseconds(500));
    if (!records) return dohle::fail(records.error());
    for (const dohle::ConsumerRecord& record : *records) rows.push_back(stored_row(record));
    if (records->error() != nullptr) return dohle::fail(*records->error());
  }
}

}  // namespace

dohle::Result<std::vector<StoredRow>> read_back(dohle::Client& client, const std::string& topic,
                                                std::int32_t partitions) {
  auto consumer = client.consumer({.auto_commit = false});
  if (!consumer) return dohle::fail(consumer.error());
  std::vector<dohle::TopicPartition> assignment;
  for (std::int32_t p = 0; p < partitions; ++p) {
    assignment.push_back({topic, dohle::PartitionId{p}});
  }
  if (auto assigned = consumer->assign(assignment); !assigned) {
    return dohle::fail(assigned.error());
  }
  const auto ends = find_ends(*consumer, assignment);
  if (!ends) return dohle::fail(ends.error());
  auto rows = read_to(*consumer, *ends);
  if (auto closed = consumer->close(std::chrono::seconds(5)); rows && !closed) {
    return dohle::fail(closed.error());
  }
  return rows;
}

}  // namespace birdstrikes
