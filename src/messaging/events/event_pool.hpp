#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "messaging/events/event_state.hpp"

namespace dohle::messaging {

/// The memory of a subscription's events, used again for later ones. An event's last reference may
/// end on any thread, also after the subscription; the pool lives until the last event is back.
///
/// Thread safety: make, make_again, find, put_back and close under the subscription's lock; the
/// others any thread.
class EventPool {
 public:
  struct Close {
    void operator()(EventPool* pool) const { pool->close(); }
  };
  using Owner = std::unique_ptr<EventPool, Close>;

  /// Keeps the memory of at most `max_kept` events while no event uses it, and frees that of one
  /// more for each new event.
  [[nodiscard]] static Owner create(std::size_t max_kept) { return Owner(new EventPool(max_kept)); }

  /// The receiver of acks. Call it before the first event is handed to another thread.
  void set_sink(std::weak_ptr<AckSink> sink) { sink_ = std::move(sink); }
  /// Null once the subscription is gone.
  [[nodiscard]] std::shared_ptr<AckSink> sink() const { return sink_.lock(); }

  /// An event with its defaults and one reference.
  [[nodiscard]] EventPointer make();
  /// A further delivery of `event`'s record, pending.
  [[nodiscard]] EventPointer make_again(const EventState& event);
  /// The event that was made as number `use` of this memory, if it still has references. The memory
  /// is one that is remembered.
  [[nodiscard]] static EventPointer find(EventState& memory, std::uint64_t use);
  /// A further reference to an event that has one.
  [[nodiscard]] static EventPointer share(EventState& event) {
    event.references.fetch_add(1, std::memory_order_relaxed);
    return EventPointer::adopt(&event);
  }
  /// Ends a reference. Cheaper than by its destruction if it is the last one.
  void put_back(EventPointer event) noexcept;
  /// Takes back the memory of an event without references.
  void take_back(EventState& event) noexcept;

  /// Number of events with memory of this pool.
  [[nodiscard]] std::size_t made() const { return made_; }

 private:
  explicit EventPool(std::size_t max_kept) : max_kept_(max_kept) {}
  ~EventPool() = default;
  void close();
  [[nodiscard]] EventState* take_free();
  void free_one();
  static void empty(EventState& event) noexcept;

  const std::size_t max_kept_;
  std::weak_ptr<AckSink> sink_;
  EventState* free_ = nullptr;
  std::size_t made_ = 0;
  /// Events that came back and are not yet in `free_`; `closed_mark_` once the pool is closed.
  std::atomic<EventState*> returned_ = nullptr;
  EventState closed_mark_;
  /// Once closed, the number of events that have not come back. Before the end of close() it may be
  /// negative.
  std::atomic<std::int64_t> missing_ = 0;
};

}  // namespace dohle::messaging
