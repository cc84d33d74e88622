#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "client/consume/records_run.hpp"
#include "dohle/consumer.hpp"

namespace dohle::client {

/// Iterates over the records of one poll, batch by batch. It keeps the memory of its views alive.
/// Not thread safe.
class RecordsWalk {
 public:
  struct Options {
    bool check_crcs = true;
    std::shared_ptr<client::BufferAccount> account;
    std::weak_ptr<client::DamageReports> damage;
  };
  RecordsWalk(std::vector<client::RecordsRun> runs, std::size_t count, Options options)
      : options_(std::move(options)), runs_(std::move(runs)), count_(count) {}

  /// Null at the end. Valid until the next call.
  const ConsumerRecord* next() {
    for (;;) {
      if (reader_) [[likely]] {
        if (next_offset_ < to_ && reader_->next(record_)) [[likely]] {
          if (record_.offset.value < next_offset_) [[unlikely]]
            continue;
          if (record_.offset.value >= to_) [[unlikely]] {
            end_run(false);
            continue;
          }
          next_offset_ = record_.offset.value + 1;
          return &record_;
        }
        end_batch();
      } else if (!open_batch()) {
        return nullptr;
      }
    }
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] const Error* error() const { return error_ ? &*error_ : nullptr; }

 private:
  void end_batch();
  void end_run(bool reached_end);
  bool open_batch();
  bool go_on_from(const client::PartEnd& end);
  void keep_decompressed();
  void on_damage(const Error& why);

  const Options options_;
  const std::vector<client::RecordsRun> runs_;
  const std::size_t count_;
  /// The current run, and the current batch's position in it.
  std::size_t run_ = 0;
  std::size_t at_ = 0;
  std::optional<wire::BatchReader> reader_;
  std::int64_t next_offset_ = -1;
  std::int64_t to_ = -1;
  ConsumerRecord record_;
  /// The decompressed bytes of returned records.
  std::vector<Slice> kept_;
  std::vector<std::shared_ptr<client::BufferCharge>> charges_;
  std::shared_ptr<client::BufferCharge> reader_charge_;
  std::optional<Error> error_;
};

}  // namespace dohle::client
