#include <algorithm>

#include "base/assert.hpp"
#include "log/partition_log.hpp"

// State that an append or a fetch needs, and that disk threads read or rebuild.

namespace dohle::log {

namespace {

/// Maximum size of the batches that are appended while a job runs and that the owner then walks.
constexpr std::uint64_t max_walked_bytes = std::uint64_t{1} << 20;

}  // namespace

// Producers, epochs and the end of the last segment.

struct PartitionLog::Preparation {
  FilesBeside beside;

  std::optional<ProducerState> producers = {};
  std::optional<LeaderEpochs> epochs = {};

  void run() {
    beside.open();
    DOHLE_ASSERT(!beside.segments().empty(), "a log without a segment is prepared");
    // The append gets the same error again and reports it.
    (void)beside.segments().back()->max_timestamp();
    const LogFiles files = beside.files();
    if (auto found = files.producers_at(files.end)) producers = *std::move(found);
    if (auto found = files.epochs()) epochs = *std::move(found);
  }
};

bool PartitionLog::is_prepared() const {
  if (offline_) return true;
  if (is_appending() || (unwritten_ && !unwritten_->is_news)) return false;
  return was_prepared_ || knows_all();
}

bool PartitionLog::knows_all() const {
  return are_producers_known_ && epochs_ && active().is_tail_known();
}

void PartitionLog::prepare(Task done) {
  if (is_appending()) return when_appended_->push_back(std::move(done));
  auto found = std::make_shared<std::optional<Preparation>>();
  if (!knows_all()) found->emplace(files_beside());
  disk_->run(
      [found] {
        if (*found) (*found)->run();
      },
      [self = std::weak_ptr(self_), found, done = std::move(done)]() mutable {
        const auto log = self.lock();
        if (log && *found) (*log)->prepared(**found);
        if (log && !(*log)->is_recovered()) return (*log)->finish_recovery_then(std::move(done));
        if (done) done();
      });
}

void PartitionLog::finish_recovery_then(Task done) {
  finish_recovery(
      [self = std::weak_ptr(self_), done = std::move(done)](const Result<void>&) mutable {
        const auto log = self.lock();
        if (log && (*log)->unwritten_) (*log)->unwritten_->is_news = true;
        if (done) done();
      });
}

// Adds the batches that were appended meanwhile to the producers.
void PartitionLog::prepared(Preparation& found) {
  was_prepared_ = true;
  if (offline_) return;
  Segment& made = *found.beside.segments().back();
  const bool is_tail_lost = !active().max_timestamp() && active().needs_indexes();
  const bool is_same = made.base_offset() == active().base_offset();
  if (is_tail_lost && is_same && made.has_made_indexes()) (void)active().take_indexes(made);
  const Offset end = found.beside.end();
  if (!epochs_ && found.epochs && end == end_) epochs_ = std::move(found.epochs);
  if (are_producers_known_ || !found.producers) return;
  if (auto fed = files().feed(*found.producers, end, end_); !fed) return;
  producers_ = *std::move(found.producers);
  are_producers_known_ = true;
}

// Lost indexes.

struct PartitionLog::Indexing {
  std::unique_ptr<Segment> made;
  Result<void> outcome = {};
};

/// The segment whose indexes are lost and that a search for `offset` needs. Null if there is none.
Segment* PartitionLog::without_indexes(Offset offset) const {
  // For an offset in a gap it is a later segment.
  const std::size_t first = segment_of(offset);
  for (std::size_t i = first; i < std::min(first + 2, segments_.size()); ++i) {
    if (segments_[i]->needs_indexes()) return segments_[i].get();
  }
  return nullptr;
}

// Rebuilds the indexes of one segment at a time. Errors: why the last attempt failed.
Result<void> PartitionLog::make_indexes(Segment& segment) const {
  if (indexing_fault_ && indexing_fault_->first == segment.base_offset()) {
    return fail(std::exchange(indexing_fault_, std::nullopt)->second);
  }
  if (is_indexing_) return {};
  run_indexing(std::make_shared<Indexing>(Indexing{beside(segment)}));
  return {};
}

void PartitionLog::run_indexing(std::shared_ptr<Indexing> work) const {
  is_indexing_ = true;
  disk_->run([work] { work->outcome = work->made->make_indexes(); },
             [self = std::weak_ptr(self_), work] {
               if (const auto log = self.lock()) (*log)->indexed(work);
             });
}

void PartitionLog::indexed(std::shared_ptr<Indexing> work) {
  is_indexing_ = false;
  const auto found = std::ranges::find(segments_, work->made->base_offset(),
                                       [](const auto& segment) { return segment->base_offset(); });
  if (found != segments_.end() && (*found)->needs_indexes()) {
    Segment& segment = **found;
    if (work->outcome && segment.size() - work->made->size() > max_walked_bytes) {
      work->made->grow(segment.size());
      return run_indexing(std::move(work));
    }
    if (work->outcome) work->outcome = segment.take_indexes(*work->made);
    if (!work->outcome) indexing_fault_.emplace(segment.base_offset(), work->outcome.error());
  }
  if (std::exchange(is_check_awaited_, false) && options_.events != nullptr) {
    options_.events->on_checked(*this);
  }
}

Result<void> PartitionLog::make_indexes_in_place(Segment& segment) const {
  return segment.take_indexes(*beside(segment));
}

/// A segment object of the same file for a job.
std::unique_ptr<Segment> PartitionLog::beside(const Segment& segment) const {
  auto made = std::make_unique<Segment>(*disk_, std::make_shared<FileCache>(1), directory_,
                                        segment.base_offset(), config_.index_interval_bytes);
  made->adopt(segment.size());
  made->work_beside_owner();
  return made;
}

}  // namespace dohle::log
