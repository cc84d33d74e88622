#include "sim/contents.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace dohle::sim {

namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t sector_bytes = 512;

std::uint64_t rounded_up(std::uint64_t bytes) {
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

void put(std::vector<std::byte>& to, std::uint64_t offset, Bytes bytes) {
  if (to.size() < offset + bytes.size()) to.resize(offset + bytes.size());
  std::ranges::copy(bytes, to.begin() + static_cast<std::ptrdiff_t>(offset));
}

}  // namespace

/// Decides which of a file's unsynced changes reached the medium. A page is written as a whole at
/// one time, so it holds all changes up to one point. The two parts of a torn page have different
/// points.
class SimContents::Survivors {
 public:
  Survivors(std::size_t changes, Random& random) : changes_(changes), random_(random) {
    const std::uint64_t kind = random_.below(8);
    everything_ = kind == 0;
    nothing_ = kind == 1;
    sized_ = point();
  }

  /// Number of changes that the file's size reflects.
  [[nodiscard]] std::size_t sized() const { return sized_; }

  /// True if the sector of `offset` holds change `index`.
  [[nodiscard]] bool has(std::uint64_t offset, std::size_t index) {
    const auto [at, is_new] = pages_.try_emplace(offset / page_bytes);
    Page& page = at->second;
    if (is_new) {
      page.front = page.back = point();
      if (random_.below(2) == 0) tear(page, offset % page_bytes);
    }
    return index < (offset % page_bytes < page.back_begins ? page.front : page.back);
  }

 private:
  struct Page {
    std::size_t front = 0;
    std::size_t back = 0;
    std::uint64_t back_begins = page_bytes;
  };

  /// Tears the page closely after its first unsynced byte. A tear elsewhere would show only in
  /// long writes.
  void tear(Page& page, std::uint64_t first_byte) {
    if (everything_ || nothing_) return;
    page.back = (page.front + 1 + random_.below(changes_)) % (changes_ + 1);
    page.back_begins = (first_byte / sector_bytes + 1 + random_.below(2)) * sector_bytes;
  }

  [[nodiscard]] std::size_t point() {
    if (everything_) return changes_;
    return nothing_ ? 0 : random_.below(changes_ + 1);
  }

  const std::size_t changes_;
  Random& random_;
  bool everything_ = false;
  bool nothing_ = false;
  std::size_t sized_ = 0;
  std::unordered_map<std::uint64_t, Page> pages_;
};

void SimContents::allocate(std::uint64_t end) {
  const std::uint64_t more = missing_space(end);
  allocated_ += more;
  *used_ += more;
}

std::uint64_t SimContents::missing_space(std::uint64_t end) const {
  const std::uint64_t wanted = rounded_up(end);
  return wanted > allocated_ ? wanted - allocated_ : 0;
}

void SimContents::write(std::uint64_t offset, Bytes bytes) {
  if (bytes.empty()) return;
  allocate(offset + bytes.size());
  put(cached_, offset, bytes);
  changes_.push_back({next_change_++, false, offset, {bytes.begin(), bytes.end()}});
}

void SimContents::truncate(std::uint64_t size) {
  *used_ -= allocated_;
  allocated_ = 0;
  allocate(size);
  if (cached_.size() == size) return;
  cached_.resize(size);
  changes_.push_back({next_change_++, true, size, {}});
}

void SimContents::apply(const Change& change) {
  if (change.is_truncation) {
    medium_.resize(change.offset);
  } else {
    put(medium_, change.offset, change.bytes);
  }
}

void SimContents::persist(std::uint64_t mark) {
  while (!changes_.empty() && changes_.front().number < mark) {
    apply(changes_.front());
    changes_.pop_front();
  }
}

CrashMarks SimContents::persist_some(std::uint64_t mark, Random& random) {
  std::vector<Change> changes;
  while (!changes_.empty() && changes_.front().number < mark) {
    changes.push_back(std::move(changes_.front()));
    changes_.pop_front();
  }
  if (changes.empty()) return {};
  Survivors survivors(changes.size(), random);
  std::uint64_t size = medium_.size();
  for (std::size_t i = 0; i < survivors.sized(); ++i) {
    const Change& change = changes[i];
    const std::uint64_t end = change.offset + change.bytes.size();
    size = change.is_truncation ? end : std::max(size, end);
  }
  CrashMarks marks;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const Change& change = changes[i];
    if (change.is_truncation) {
      if (i < survivors.sized())
        medium_.resize(std::min<std::size_t>(medium_.size(), change.offset));
      continue;
    }
    std::size_t kept = 0;
    for (std::uint64_t at = 0; at < change.bytes.size();) {
      const std::uint64_t offset = change.offset + at;
      const std::uint64_t part =
          std::min(sector_bytes - offset % sector_bytes, change.bytes.size() - at);
      if (survivors.has(offset, i)) {
        put(medium_, offset, Bytes(change.bytes).subspan(at, part));
        kept += size > offset ? std::min(part, size - offset) : 0;
      }
      at += part;
    }
    marks.lost |= kept < change.bytes.size();
    marks.torn |= kept > 0 && kept < change.bytes.size();
  }
  medium_.resize(size);
  return marks;
}

CrashMarks SimContents::crash(Random& random) {
  const CrashMarks marks = persist_some(next_change_, random);
  cached_ = medium_;
  *used_ -= allocated_;
  allocated_ = 0;
  allocate(cached_.size());
  return marks;
}

bool SimContents::flip_bit(std::uint64_t offset, unsigned bit) {
  if (offset >= cached_.size()) return false;
  const auto mask = static_cast<std::byte>(1u << (bit % 8));
  cached_[offset] ^= mask;
  if (offset < medium_.size()) medium_[offset] ^= mask;
  return true;
}

}  // namespace dohle::sim
