#include "proof.hpp"

#include <zlib.h>

#include <array>

namespace birdstrikes {

namespace {

/// Checks the stored rows one by one, partition by partition in the order of offsets.
class Judge {
 public:
  explicit Judge(const std::vector<PublishedRow>& published) {
    for (const PublishedRow& row : published) published_.emplace(row.row, &row);
  }

  void look_at(const StoredRow& stored, Verdict& verdict) {
    look_for_gap(stored, verdict);
    const auto found = published_.find(stored.row);
    if (found == published_.end()) {
      ++verdict.strangers;
      return;
    }
    if (!first_.emplace(stored.row, &stored).second) {
      ++verdict.twice;
      return;
    }
    const PublishedRow& row = *found->second;
    if (stored.key != row.key || stored.checksum != row.checksum) ++verdict.altered;
    if (!row.offset.is_none() &&
        (stored.offset != row.offset || stored.partition != row.partition)) {
      ++verdict.elsewhere;
    }
    look_at_order(stored, verdict);
  }

  void finish(Verdict& verdict) const {
    verdict.lost = published_.size() - first_.size();
    for (const auto& [number, row] : published_) add(row->checksum, verdict.published_checksum);
    for (const auto& [number, row] : first_) add(row->checksum, verdict.stored_checksum);
  }

 private:
  static void add(std::uint32_t checksum, std::uint32_t& to) {
    std::array<unsigned char, 4> bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<unsigned char>(checksum >> (8 * i));
    }
    to = static_cast<std::uint32_t>(crc32(to, bytes.data(), static_cast<uInt>(bytes.size())));
  }

  void look_for_gap(const StoredRow& stored, Verdict& verdict) {
    std::int64_t& next = next_offset_[stored.partition];
    if (stored.offset.value != next) ++verdict.gaps;
    next = stored.offset.value + 1;
  }

  void look_at_order(const StoredRow& stored, Verdict& verdict) {
    const auto [last, is_new] = last_of_key_.emplace(stored.key, &stored);
    if (is_new) return;
    if (last->second->row > stored.row || last->second->partition != stored.partition) {
      ++verdict.out_of_order;
    }
    last->second = &stored;
  }

  std::map<std::size_t, const PublishedRow*> published_;
  std::map<std::size_t, const StoredRow*> first_;
  std::map<dohle::PartitionId, std::int64_t> next_offset_;
  std::map<std::string, const StoredRow*> last_of_key_;
};

}  // namespace

bool Verdict::holds() const {
  return stored == published && lost == 0 && twice == 0 && strangers == 0 && elsewhere == 0 &&
         altered == 0 && out_of_order == 0 && gaps == 0 && published_checksum == stored_checksum;
}

std::uint32_t checksum_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

Verdict judge(const std::vector<PublishedRow>& published, const std::vector<StoredRow>& stored) {
  Verdict verdict{.published = published.size(), .stored = stored.size()};
  Judge walk(published);
  for (const StoredRow& row : stored) walk.look_at(row, verdict);
  walk.finish(verdict);
  return verdict;
}

}  // namespace birdstrikes
