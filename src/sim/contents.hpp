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

/// The effects of a crash on one file.
struct CrashMarks {
  bool lost = false;  ///< some written bytes are lost
  bool torn = false;  ///< a part of one write was kept, a part lost
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

  // Changes of the cache. Callers have checked the space.

  void write(std::uint64_t offset, Bytes bytes);
  void truncate(std::uint64_t size);
  void reserve(std::uint64_t end) { allocate(end); }
  [[nodiscard]] std::uint64_t allocated() const { return allocated_; }
  /// Further bytes of space that a file with this end needs.
  [[nodiscard]] std::uint64_t missing_space(std::uint64_t end) const;

  // Writes to the medium.

  /// Marks the changes made so far: the number of the next one.
  [[nodiscard]] std::uint64_t change_mark() const { return next_change_; }
  /// Writes the changes before `mark` to the medium.
  void persist(std::uint64_t mark);
  /// A failed sync: writes a part of the changes before `mark` to the medium, as `random` chooses,
  /// and drops the others.
  CrashMarks persist_some(std::uint64_t mark, Random& random);
  /// A crash: persist_some of all changes. The cache then equals the medium.
  CrashMarks crash(Random& random);
  /// Inverts a bit on the medium and in the cache. Returns false if there is no such byte.
  bool flip_bit(std::uint64_t offset, unsigned bit);

  /// The entries of a directory that survive a crash.
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
