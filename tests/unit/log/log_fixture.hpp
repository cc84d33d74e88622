#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/budget.hpp"
#include "base/units.hpp"
#include "disk/memory_disk.hpp"
#include "log/partition_log.hpp"
#include "wire/batch_builder.hpp"

namespace dohle::log {

/// Runs posted tasks on request.
class ManualLoop final : public Executor {
 public:
  void post(Task task) override { tasks_.push_back(std::move(task)); }
  [[nodiscard]] bool is_loop_thread() const override { return true; }
  TimerId arm(TimePoint, Task) override { return 1; }
  void cancel(TimerId) override {}
  [[nodiscard]] Now tick() const override { return {}; }
  void run() {
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }

 private:
  std::deque<Task> tasks_;
};

struct Producer {
  std::int64_t id = -1;
  std::int16_t epoch = 0;
  std::int32_t sequence = -1;
};

inline Slice make_batch(int records, std::size_t value_bytes = 100, std::int64_t timestamp = 1000,
                        Producer producer = {}) {
  static Budget budget{256_MiB};
  wire::BatchBuilder builder(budget, 64_MiB);
  const std::string value(value_bytes, 'v');
  for (int i = 0; i < records; ++i) {
    EXPECT_EQ(builder.append({.value = as_bytes(value)}, Timestamp{timestamp + i}),
              wire::BatchBuilder::Appended::ok);
  }
  wire::BatchBuilder::Seal seal;
  seal.producer_id = ProducerId{producer.id};
  seal.producer_epoch = ProducerEpoch{producer.id < 0 ? std::int16_t{-1} : producer.epoch};
  seal.base_sequence = producer.sequence;
  return *builder.seal(std::move(seal)).flatten();
}

inline Result<Appended> append_to(PartitionLog& log, const Slice& bytes, std::int64_t now = 1000,
                                  std::int32_t epoch = 0) {
  const auto header = wire::validate_produced_batch(bytes);
  EXPECT_TRUE(header.has_value());
  return log.append(bytes, *header, LeaderEpoch{epoch}, {TimePoint{}, Timestamp{now}});
}

inline std::vector<std::int64_t> offsets_in(Slice bytes) {
  std::vector<std::int64_t> offsets;
  while (!bytes.empty()) {
    const auto header = wire::read_batch_header(bytes.bytes());
    EXPECT_TRUE(header.has_value());
    auto reader = wire::BatchReader::open(bytes.sub(0, header->size()));
    EXPECT_TRUE(reader.has_value());
    for (RecordView record; reader->next(record);) offsets.push_back(record.offset.value);
    bytes = bytes.sub(header->size());
  }
  return offsets;
}

/// A log on a memory disk, as a node drives it.
class LogTest : public testing::Test, public LogEvents {
 protected:
  static constexpr const char* directory = "/data/t-0";

  void on_checked(PartitionLog&) override { ++checked_; }
  void on_offline(PartitionLog&, const Error& why) override { went_offline_ = why; }

  Result<PartitionLog::Opened> try_open(bool was_clean = false) {
    log_.reset();
    loop_.run();
    OpenOptions options;
    options.last = life_;
    options.accepted_losses = accepted_;
    if (was_clean) options.last.end = LastLife::End::clean_old;
    options.files = files_;
    options.events = this;
    options.topic_id.bytes[0] = 7;
    return PartitionLog::open(disk_, directory, config_, options);
  }
  void open(bool was_clean = false) {
    auto opened = try_open(was_clean);
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    log_ = std::move(opened->log);
    report_ = opened->report;
  }
  void stop() {
    ASSERT_TRUE(log_->flush().has_value());
    sync();
  }
  void sync() {
    (void)log_->dirty_files();
    log_->synced(log_->end());
    ASSERT_TRUE(log_->write_recovery_point().has_value());
    loop_.run();
  }
  Result<Appended> append(const Slice& bytes, std::int64_t now = 1000, std::int32_t epoch = 0) {
    return append_to(*log_, bytes, now, epoch);
  }
  void append_beside(const Slice& bytes, std::optional<Result<Appended>>& outcome) {
    outcome.reset();
    const auto header = wire::validate_produced_batch(bytes);
    ASSERT_TRUE(header.has_value());
    log_->append_beside(bytes, *header, LeaderEpoch{0}, {TimePoint{}, Timestamp{1000}},
                        [&outcome](Result<Appended> appended) { outcome = std::move(appended); });
  }
  /// The offsets of all records from `from` on, as a consumer reads them.
  std::vector<std::int64_t> offsets_from(std::int64_t from) {
    const auto chain = log_->read(Offset{from}, log_->end(), 64_MiB, true);
    EXPECT_TRUE(chain.has_value()) << chain.error().to_string();
    return chain ? offsets_in(*chain->flatten()) : std::vector<std::int64_t>{};
  }
  static std::string path(std::int64_t base, std::string_view suffix) {
    return std::string(directory) + "/" + Segment::file_name(Offset{base}, suffix);
  }
  std::shared_ptr<File> file(std::int64_t base = 0, std::string_view suffix = ".log") {
    return *disk_.open(path(base, suffix), OpenMode::read_write);
  }
  void flip(std::uint64_t at, std::int64_t base = 0) {
    auto log = file(base);
    std::byte byte{};
    ASSERT_EQ(*log->read(at, {&byte, 1}), 1u);
    byte ^= std::byte{4};
    const Bytes piece(&byte, 1);
    ASSERT_TRUE(log->write(at, {&piece, 1}).has_value());
  }

  ManualLoop loop_;
  disk::MemoryDisk disk_{loop_};
  std::shared_ptr<FileCache> files_ = std::make_shared<FileCache>();
  LogConfig config_;
  LastLife life_;
  std::vector<Offset> accepted_;
  std::unique_ptr<PartitionLog> log_;
  RecoveryReport report_;
  int checked_ = 0;
  std::optional<Error> went_offline_;
};

}  // namespace dohle::log
