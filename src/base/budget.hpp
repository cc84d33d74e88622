#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/slice.hpp"

namespace dohle {

inline constexpr std::size_t slab_bytes = 16 * 1024;

/// A limit on memory together with the pool of 16 KiB slabs that it pays for. A slab returns to
/// the pool when its last reference goes, from whatever thread; the pool keeps what the limit
/// allows and frees it with the Budget. Slabs may outlive the Budget object.
///
/// Thread safety: any thread. `take` is a pop from a list under a lock, once per 16 KiB, not per
/// record.
class Budget {
 public:
  explicit Budget(std::size_t limit_bytes);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  /// A slab of `slab_bytes`, or null when the limit is reached. The caller owns one reference.
  [[nodiscard]] Buffer* take();
  /// Charges bytes that live elsewhere (a large record of its own). False: over the limit.
  [[nodiscard]] bool reserve(std::size_t bytes);
  void unreserve(std::size_t bytes);

  [[nodiscard]] std::size_t limit() const;
  [[nodiscard]] std::size_t used() const;

  enum class Room : bool { piece, most };
  /// Called, from whatever thread, once there is room after a refused take or reserve, or after
  /// ask_for: for a piece, or for what was asked for last. `most_bytes` is at least `piece_bytes`,
  /// and neither above the limit. Set it before first use. It must not call back into the Budget
  /// while it runs.
  void on_room(std::function<void()> callback, std::size_t piece_bytes = 1,
               std::size_t most_bytes = 1);
  /// True: so much is free now. False: on_room's callback will tell.
  [[nodiscard]] bool ask_for(Room room);

 private:
  struct Pool;
  std::shared_ptr<Pool> pool_;
};

}  // namespace dohle
