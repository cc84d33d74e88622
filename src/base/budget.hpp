#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/slice.hpp"

namespace dohle {

inline constexpr std::size_t slab_bytes = 16 * 1024;

/// One memory limit for several Budgets, with one pool of slabs. It leaves each Budget at most four
/// times the bytes that all of them together leave free: a Budget whose memory stays in use for
/// long leaves a part to the others. Thread safety: any thread.
class SharedBudget {
 public:
  explicit SharedBudget(std::size_t limit_bytes);
  ~SharedBudget();
  SharedBudget(const SharedBudget&) = delete;
  SharedBudget& operator=(const SharedBudget&) = delete;

  /// The bytes in use by all Budgets.
  [[nodiscard]] std::size_t used() const;

 private:
  friend class Budget;
  struct Whole;
  std::shared_ptr<Whole> whole_;
};

/// A memory limit with its pool of 16 KiB slabs. A slab returns to the pool with its last
/// reference, on any thread. The pool keeps free slabs until the Budget is destroyed. Slabs may
/// outlive the Budget.
///
/// Thread safety: any thread. `take` is a pop from a list under a lock, once per 16 KiB, not per
/// record.
class Budget {
 public:
  explicit Budget(std::size_t limit_bytes);
  /// A part of `shared`, which may end before it.
  explicit Budget(const SharedBudget& shared);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  /// A slab of `slab_bytes`, or null when the limit is reached. The caller owns one reference.
  [[nodiscard]] Buffer* take();
  /// Charges bytes that are allocated elsewhere (a single large record). False if they exceed the
  /// limit.
  [[nodiscard]] bool reserve(std::size_t bytes);
  void unreserve(std::size_t bytes);

  /// The most bytes that may be in use at a time.
  [[nodiscard]] std::size_t limit() const;
  [[nodiscard]] std::size_t used() const;

  enum class Room : bool { piece, most };
  /// Sets the callback that runs, on any thread, once there is room after a refused take or
  /// reserve, or after ask_for: room for `piece_bytes`, or for the last size that ask_for asked
  /// for. `most_bytes` is at least `piece_bytes`, and both are at most the limit. Set it before
  /// first use. The callback must not call the Budget.
  void on_room(std::function<void()> callback, std::size_t piece_bytes = 1,
               std::size_t most_bytes = 1);
  /// True if this room is free now. Otherwise on_room's callback runs once it is.
  [[nodiscard]] bool ask_for(Room room);

 private:
  friend class SharedBudget;
  struct Slabs;
  struct Pool;
  std::shared_ptr<Pool> pool_;
};

}  // namespace dohle
