#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/executor.hpp"

namespace dohle::sim {

/// Future events, by time and then by the order of scheduling. A binary heap of small entries over
/// reused slots: an event costs some tens of nanoseconds.
class EventQueue {
 public:
  /// Names one event; 0 is none.
  using Id = std::uint64_t;

  Id add(TimePoint at, Task task);
  /// Destroys the event's task. Unknown and past ids are ignored.
  void cancel(Id id);
  /// The time of the next event. Empty if there is none.
  [[nodiscard]] std::optional<TimePoint> next_at();
  /// Takes the task of the next event. There has to be one.
  [[nodiscard]] Task take();
  void clear();

 private:
  struct Entry {
    TimePoint at;
    std::uint64_t order;
    std::uint32_t slot;
    std::uint32_t generation;
  };
  struct Slot {
    Task task;
    std::uint32_t generation = 1;
  };

  static bool later(const Entry& a, const Entry& b);
  void drop_cancelled();
  Task empty_slot(std::uint32_t slot);

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t next_order_ = 0;
};

}  // namespace dohle::sim
