#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/executor.hpp"

namespace dohle::net {

/// Armed timers in seven wheels of 64 slots. A slot of the first wheel is a millisecond; a slot of
/// each further wheel is a whole turn of the one before. The cost of arming and cancelling does not
/// depend on the number of timers. Owns no clock: the loop asks it for the time of the next wake-up
/// and tells it the current time.
///
/// A timer never fires early. Due timers fire in the order of their times; timers of the same time
/// fire in the order of arming. A timer that is armed for later than the wheels reach, a century
/// after the machine's start, never fires.
class TimerWheel {
 public:
  explicit TimerWheel(TimePoint start);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  TimerId arm(TimePoint at, Task task);
  void cancel(TimerId id);
  /// The time at which to call `expire`: the time of the first timer, or earlier (at most six times
  /// in the life of a timer) if a slot of a further wheel has to be spread. `never` without timers.
  [[nodiscard]] TimePoint next();
  /// Collects the timers due at `now` for take_due. Timers armed later wait for the next call.
  void expire(TimePoint now);
  /// Takes the next due task. Empty if no timer is due.
  [[nodiscard]] Task take_due();
  /// True if collected timers have not been taken. They may have been cancelled meanwhile.
  [[nodiscard]] bool has_due() const { return due_taken_ < due_.size(); }
  /// Disarms all timers. Returns their tasks, for the caller to destroy.
  [[nodiscard]] std::vector<Task> take_all();

 private:
  static constexpr int wheels = 7;
  static constexpr int slot_bits = 6;
  static constexpr std::uint32_t none = UINT32_MAX;

  struct Timer {
    TimePoint at;
    std::uint64_t order = 0;  // of arming
    Task task;
    std::uint32_t generation = 0;
    std::uint32_t before = none;
    std::uint32_t after = none;
    std::uint16_t slot = 0;  // wheel * 64 + slot, or not_in_slot
  };
  struct Due {
    TimePoint at;
    std::uint64_t order;
    TimerId id;
  };
  static constexpr std::uint16_t not_in_slot = UINT16_MAX;

  [[nodiscard]] TimerId id_of(std::uint32_t index) const;
  [[nodiscard]] std::uint32_t find(TimerId id) const;
  void place(std::uint32_t index);
  void take_out(std::uint32_t index);
  void free(std::uint32_t index);
  [[nodiscard]] int first_wheel() const;
  [[nodiscard]] std::int64_t begin_of(int wheel, int slot) const;
  void spread(int wheel, int slot);
  void collect(std::uint32_t slot, TimePoint now);

  std::vector<Timer> timers_;
  std::vector<std::uint32_t> free_;
  std::array<std::uint32_t, std::size_t{wheels} << slot_bits> first_;
  std::array<std::uint32_t, std::size_t{wheels} << slot_bits> last_;
  std::array<std::uint64_t, wheels> occupied_{};
  std::int64_t now_;  // milliseconds; no timer in a slot before it
  std::uint64_t last_order_ = 0;
  std::vector<Due> due_;
  std::size_t due_taken_ = 0;
  TimePoint next_ = never;
  bool next_is_known_ = true;
};

}  // namespace dohle::net
