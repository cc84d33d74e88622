#include "log/time_search.hpp"

#include "wire/batch.hpp"

namespace dohle::log {

void TimeSearch::run() {
  files_.open();
  found_ = wanted_ ? first_from(*wanted_) : largest();
}

TimeSearch::Found TimeSearch::first_from(Timestamp time) const {
  for (const auto& segment : files_.segments()) {
    auto batch = segment->find(time);
    if (!batch) return fail(batch.error());
    while (*batch) {
      auto record = first_record(*segment, **batch, time);
      if (!record || *record) return record;
      // Its records are older than its header says, or lie below the log's start.
      batch = segment->at((*batch)->position + (*batch)->header.size());
      if (!batch) return fail(batch.error());
    }
  }
  return std::nullopt;
}

TimeSearch::Found TimeSearch::largest() const {
  Segment* newest = nullptr;
  Timestamp latest;
  for (const auto& segment : files_.segments()) {
    auto largest = segment->max_timestamp();
    if (!largest) return fail(largest.error());
    if (*largest <= latest) continue;
    latest = *largest;
    newest = segment.get();
  }
  if (newest == nullptr) return std::nullopt;
  auto batch = newest->find(latest);
  if (!batch) return fail(batch.error());
  if (!*batch) return std::nullopt;
  return first_record(*newest, **batch, latest);
}

TimeSearch::Found TimeSearch::first_record(const Segment& segment, const BatchAt& batch,
                                           Timestamp at_least) const {
  auto bytes = segment.load(batch);
  if (!bytes) return fail(bytes.error());
  auto reader = wire::BatchReader::open(*bytes);
  if (!reader) return fail(reader.error().within(segment.path()));
  for (RecordView record; reader->next(record);) {
    if (record.timestamp >= at_least && record.offset >= log_start_) {
      return OffsetAndTime{record.offset, record.timestamp, batch.header.leader_epoch};
    }
  }
  if (reader->fault() != nullptr) return fail(reader->fault()->within(segment.path()));
  return std::nullopt;
}

}  // namespace dohle::log
