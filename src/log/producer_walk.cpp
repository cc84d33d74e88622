#include "log/producer_walk.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/units.hpp"
#include "log/checkpoint.hpp"

namespace dohle::log {

namespace {

/// Size of the log's end that is walked to find the last batches of each producer: a snapshot names
/// only one of them. More than a producer has in flight.
constexpr std::uint64_t producer_tail_bytes = 8_MiB;

/// Maximum number of files that one job keeps open.
constexpr std::size_t files_of_job = 4;

}  // namespace

void FilesBeside::open() {
  const auto cache = std::make_shared<FileCache>(files_of_job);
  for (const auto& [base, size] : found_) {
    segments_.push_back(
        std::make_unique<Segment>(*disk_, cache, directory_, base, index_interval_bytes_));
    segments_.back()->adopt(size);
    segments_.back()->work_beside_owner();
  }
}

std::size_t LogFiles::segment_of(Offset offset) const {
  DOHLE_ASSERT(!segments.empty(), "a log has no segment");
  const auto after = std::ranges::upper_bound(
      segments, offset, {}, [](const auto& segment) { return segment->base_offset(); });
  return after == segments.begin() ? 0 : static_cast<std::size_t>(after - segments.begin()) - 1;
}

// The newest whole snapshot up to `until`; without one, an empty state at the log's beginning.
Result<std::pair<Offset, ProducerState>> LogFiles::best_snapshot(Offset until) const {
  for (auto at = snapshots.rbegin(); at != snapshots.rend(); ++at) {
    if (*at > until || *at < segments.front()->base_offset()) continue;
    auto file = disk->open(*directory + "/" + Segment::file_name(*at, ".snapshot"), OpenMode::read);
    if (!file) {
      if (file.error().is(Errc::not_found)) continue;
      return fail(file.error());
    }
    std::vector<std::byte> bytes((*file)->size());
    auto got = (*file)->read(0, bytes);
    if (!got) return fail(got.error());
    auto state = ProducerState::from_snapshot(Bytes(bytes).first(*got));
    if (state) return std::pair(*at, *std::move(state));
  }
  return std::pair(segments.front()->base_offset(), ProducerState());
}

Result<ProducerState> LogFiles::producers_at(Offset until) const {
  auto snapshot = best_snapshot(until);
  if (!snapshot) return fail(snapshot.error());
  ProducerState into = std::move(snapshot->second);
  auto tail = tail_begin();
  if (!tail) return fail(tail.error());
  ProducerState recent;
  if (auto fed = feed(recent, std::min(*tail, snapshot->first), until); !fed) {
    return fail(fed.error());
  }
  into.enrich(std::move(recent));
  return into;
}

// An offset with about producer_tail_bytes of the known segments after it.
Result<Offset> LogFiles::tail_begin() const {
  std::uint64_t bytes = producer_tail_bytes;
  for (std::size_t i = segments.size(); i-- > 0;) {
    Segment& segment = *segments[i];
    if (segment.size() > bytes && segment.base_offset() < end) {
      auto position = segment.batch_before(segment.size() - bytes);
      if (!position) return fail(position.error());
      auto batch = segment.at(*position);
      if (!batch) return fail(batch.error());
      return *batch ? (*batch)->header.base_offset : segment.base_offset();
    }
    bytes -= std::min(bytes, segment.size());
  }
  return segments.front()->base_offset();
}

Result<void> LogFiles::feed(ProducerState& producers, Offset from, Offset until) const {
  for (std::size_t i = segment_of(from); i < segments.size(); ++i) {
    Segment& segment = *segments[i];
    if (segment.base_offset() >= until) break;
    std::uint64_t position = 0;
    if (from > segment.base_offset()) {
      auto begin = segment.find(from);
      if (!begin) return fail(begin.error());
      if (!*begin) continue;
      position = (*begin)->position;
    }
    auto file = segment.file();
    if (!file) return fail(file.error());
    BatchWalk walk(**file, position, segment.size());
    for (;;) {
      auto batch = walk.next();
      if (!batch) return fail(batch.error());
      if (!*batch || (*batch)->header.base_offset >= until) break;
      producers.stored((*batch)->header);
    }
  }
  return {};
}

Result<LeaderEpochs> LogFiles::epochs() const {
  auto text = read_checkpoint(*disk, *directory, LeaderEpochs::file_name);
  if (!text && !text.error().is(Errc::not_found)) return fail(text.error());
  if (text) {
    if (auto parsed = LeaderEpochs::parse(*text)) return *std::move(parsed);
  }
  // A crash may have kept the file's name but lost its bytes. Each batch names its epoch.
  LeaderEpochs epochs;
  for (const auto& segment : segments) {
    auto file = segment->file();
    if (!file) return fail(file.error());
    BatchWalk walk(**file, 0, segment->size());
    for (auto batch = walk.next(); batch && *batch; batch = walk.next()) {
      (void)epochs.assign((*batch)->header.leader_epoch, (*batch)->header.base_offset);
    }
  }
  return epochs;
}

}  // namespace dohle::log
