#include "client/consume/records_walk.hpp"

#include <utility>

#include "base/assert.hpp"
#include "base/topic_name.hpp"

namespace dohle::client {

using client::RecordsRun;

void RecordsWalk::end_batch() {
  DOHLE_ASSERT(reader_ && run_ < runs_.size(), "a batch ends that was not begun");
  if (next_offset_ >= to_) return end_run(true);
  if (const Error* fault = reader_->fault()) return on_damage(*fault);
  at_ += reader_->header().size();
  reader_.reset();
}

void RecordsWalk::end_run(bool reached_end) {
  DOHLE_ASSERT(run_ < runs_.size(), "more runs end than there are");
  const RecordsRun& run = runs_[run_];
  // Only if the reader is exactly at `to`: a record after it that was already read cannot be read
  // again.
  if (reached_end && run.after && reader_) {
    run.after->reader = std::move(reader_);
    run.after->charge = reader_charge_;
    run.after->is_ready.store(true, std::memory_order_release);
  }
  reader_.reset();
  ++run_;
  at_ = 0;
  next_offset_ = to_ = -1;
}

bool RecordsWalk::go_on_from(const client::PartEnd& end) {
  if (!end.is_ready.load(std::memory_order_acquire)) return false;
  reader_ = end.reader;
  reader_charge_ = end.charge;
  if (reader_charge_) {
    kept_.push_back(reader_->records());
    charges_.push_back(reader_charge_);
  }
  return true;
}

void RecordsWalk::keep_decompressed() {
  reader_charge_ = nullptr;
  if (reader_->header().compression() == wire::Compression::none) return;
  const Slice& records = reader_->records();
  reader_charge_ = std::make_shared<client::BufferCharge>(options_.account, records.size());
  kept_.push_back(records);
  charges_.push_back(reader_charge_);
}

bool RecordsWalk::open_batch() {
  for (; run_ < runs_.size(); end_run(false)) {
    const RecordsRun& run = runs_[run_];
    if (to_ < 0) {
      next_offset_ = run.from.value;
      to_ = run.to.value;
      record_.topic = run.where->topic;
      record_.partition = run.where->partition;
    }
    while (at_ < run.batches.size() && next_offset_ < to_) {
      const auto header = wire::read_batch_header(run.batches.bytes().subspan(at_));
      if (!header) return on_damage(header.error()), true;
      // Control batches mark the ends of transactions. They hold no records of users.
      if (header->is_control() || header->next_offset().value <= next_offset_) {
        at_ += header->size();
        continue;
      }
      record_.leader_epoch = header->leader_epoch;
      if (at_ == 0 && run.before && go_on_from(*run.before)) return true;
      auto opened =
          wire::BatchReader::open(run.batches.sub(at_, header->size()), options_.check_crcs);
      if (!opened) return on_damage(opened.error()), true;
      reader_ = std::move(*opened);
      keep_decompressed();
      return true;
    }
  }
  return false;
}

void RecordsWalk::on_damage(const Error& why) {
  const RecordsRun& run = runs_[run_];
  const Error where = why.within(partition_name(run.where->topic, run.where->partition));
  if (const auto damage = options_.damage.lock()) {
    damage->on_damage(*run.where, run.serial, Offset{next_offset_}, where);
  }
  if (!error_) error_ = where;
  reader_.reset();
  // No further record of that partition may be returned.
  const TopicPartition* const damaged = run.where.get();
  do {
    end_run(false);
  } while (run_ < runs_.size() && runs_[run_].where.get() == damaged);
}

}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

Records::Records() = default;
Records::Records(std::unique_ptr<client::RecordsWalk> inside) : inside_(std::move(inside)) {}
Records::Records(Records&&) noexcept = default;
Records& Records::operator=(Records&&) noexcept = default;
Records::~Records() = default;

Records::iterator Records::begin() {
  return inside_ ? iterator(inside_.get()) : iterator();
}
bool Records::empty() const {
  return count() == 0;
}
std::size_t Records::count() const {
  return inside_ ? inside_->count() : 0;
}
const Error* Records::error() const {
  return inside_ ? inside_->error() : nullptr;
}
const ConsumerRecord* Records::iterator::next(client::RecordsWalk* walk) {
  return walk->next();
}

}  // namespace v0
}  // namespace dohle
