#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file_tree.hpp"
#include "base/random.hpp"

namespace dohle::sim {

/// What a crash did to one file.
struct CrashMarks {
  bool lost = false;  ///< some written bytes are gone
  bool torn = false;  ///< a part of one write is there, a part is not
};

/// A file or directory of a simulated disk: as processes see it (the page cache; `entries` of a
/// directory), as it is on the medium, and the changes in between, in order.
class SimContents final : public FileNode {
 public:
  SimContents(bool directory, std::shared_ptr<std::uint64_t> used)
      : FileNode(directory), used_(std::move(used)) {}
  ~SimContents() override { *used_ -= allocated_; }

  [[nodiscard]] std::uint64_t bytes() const override { return cached_.size(); }
  [[nodiscard]] std::span<const std::byte> cached() const { return cached_; }

  // Changes of the cache. Whoever calls has made sure of the space.

  void write(std::uint64_t offset, Bytes bytes);
  void truncate(std::uint64_t size);
  void reserve(std::uint64_t end) { allocate(end); }
  [[nodiscard]] std::uint64_t allocated() const { return allocated_; }
  /// How many bytes more than now a file with that end takes.
  [[nodiscard]] std::uint64_t missing_space(std::uint64_t end) const;

  // Toward the medium.

  /// Stands for the changes made so far.
  [[nodiscard]] std::uint64_t change_mark() const { return next_change_; }
  /// Brings the changes before `mark` to the medium.
  void persist(std::uint64_t mark);
  /// Brings to the medium what `random` chooses of the changes before `mark`, and forgets the
  /// others: a failed sync.
  CrashMarks persist_some(std::uint64_t mark, Random& random);
  /// After a crash: persist_some of everything, then the cache is the medium.
  CrashMarks crash(Random& random);
  /// Turns a bit over on the medium and in the cache; false where there is no such byte.
  bool flip_bit(std::uint64_t offset, unsigned bit);

  /// The entries of a directory that a crash leaves.
  std::map<std::string, std::shared_ptr<SimContents>, std::less<>> durable_entries;

 private:
  struct Change {
    std::uint64_t number;
    bool is_truncation;
    std::uint64_t offset;  ///< of a write; the new size of a truncation
    std::vector<std::byte> bytes;
  };
  class Survivors;

  void allocate(std::uint64_t end);
  void apply(const Change& change);

  std::shared_ptr<std::uint64_t> used_;
  std::uint64_t allocated_ = 0;
  std::vector<std::byte> cached_;
  std::vector<std::byte> medium_;
  std::deque<Change> changes_;
  std::uint64_t next_change_ = 0;
};

}  // namespace dohle::sim
