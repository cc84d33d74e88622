#include "base/assert.hpp"
#include "log/partition_log.hpp"

// Reads, on a disk thread, the state that an append needs.

namespace dohle::log {

namespace {

/// Maximum number of files that one job keeps open.
constexpr std::size_t open_files = 4;

}  // namespace

/// A job does not access the log itself. It rebuilds indexes of the last segment that do not match
/// it; the owner may read them meanwhile, since it verifies each entry.
struct PartitionLog::Preparation {
  Disk* disk;
  std::string directory;
  std::vector<FoundSegment> segments;
  std::vector<Offset> snapshots;
  Offset end;
  std::uint32_t index_interval_bytes;

  std::optional<ProducerState> producers = {};
  std::optional<LeaderEpochs> epochs = {};

  void run() {
    const auto cache = std::make_shared<FileCache>(open_files);
    std::vector<std::unique_ptr<Segment>> own;
    for (const auto& [base, size] : segments) {
      own.push_back(std::make_unique<Segment>(*disk, cache, directory, base, index_interval_bytes));
      own.back()->adopt(size);
    }
    DOHLE_ASSERT(!own.empty(), "a log without a segment is prepared");
    // The append gets the same error again and reports it.
    (void)own.back()->max_timestamp();
    const LogFiles files{disk, &directory, own, snapshots, end};
    if (auto found = files.producers_at(end)) producers = *std::move(found);
    if (auto found = files.epochs()) epochs = *std::move(found);
  }
};

bool PartitionLog::is_prepared() const {
  return offline_ || was_prepared_ || (are_producers_known_ && epochs_ && active().is_tail_known());
}

void PartitionLog::prepare(Task done) {
  auto found = std::make_shared<Preparation>(
      Preparation{disk_, directory_, {}, snapshots_, end_, config_.index_interval_bytes});
  for (const auto& segment : segments_) {
    found->segments.emplace_back(segment->base_offset(), segment->size());
  }
  disk_->run([found] { found->run(); },
             [self = std::weak_ptr(self_), found, done = std::move(done)]() mutable {
               if (const auto log = self.lock()) (*log)->prepared(*found);
               if (done) done();
             });
}

// Adds the batches that were appended meanwhile to the producers.
void PartitionLog::prepared(Preparation& found) {
  was_prepared_ = true;
  if (offline_) return;
  active().look_at_indexes_again();
  if (!epochs_ && found.epochs && found.end == end_) epochs_ = std::move(found.epochs);
  if (are_producers_known_ || !found.producers) return;
  if (auto fed = files().feed(*found.producers, found.end, end_); !fed) return;
  producers_ = *std::move(found.producers);
  are_producers_known_ = true;
}

}  // namespace dohle::log
