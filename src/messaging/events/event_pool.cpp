#include "messaging/events/event_pool.hpp"

#include <utility>

#include "base/assert.hpp"

namespace dohle::messaging {

namespace {

std::int64_t delete_all(EventState* list) {
  std::int64_t count = 0;
  while (list != nullptr) {
    delete std::exchange(list, list->next);
    ++count;
  }
  return count;
}

}  // namespace

void EventPointer::add(EventState& state) noexcept {
  state.references.fetch_add(1, std::memory_order_relaxed);
}

void EventPointer::drop(EventState& state) noexcept {
  if (state.references.fetch_sub(1, std::memory_order_acq_rel) == 1) state.pool->take_back(state);
}

EventState* EventPool::take_free() {
  if (free_ == nullptr) free_ = returned_.exchange(nullptr, std::memory_order_acquire);
  if (free_ == nullptr) return nullptr;
  return std::exchange(free_, free_->next);
}

void EventPool::free_one() {
  EventState* const surplus = take_free();
  if (surplus == nullptr) return;
  if (surplus->remembered > 0) {
    surplus->next = std::exchange(free_, surplus);
    return;
  }
  delete surplus;
  --made_;
}

EventPointer EventPool::make() {
  EventState* event = take_free();
  if (event == nullptr) {
    event = new EventState;
    event->pool = this;
    ++made_;
  } else if (made_ > max_kept_) {
    free_one();
  }
  ++event->use;
  event->attempt = 1;
  event->earlier_attempts = 0;
  event->level = 0;
  event->wanted_level = 0;
  event->nacked_action = FailureAction::retry;
  event->settled = EventState::Settled::pending;
  event->is_running = false;
  event->references.store(1, std::memory_order_relaxed);
  return EventPointer::adopt(event);
}

EventPointer EventPool::make_again(const EventState& event) {
  EventPointer again = make();
  static_cast<DeliveredRecord&>(*again) = event;
  if (again->buffer != nullptr) again->buffer->add();
  return again;
}

EventPointer EventPool::find(EventState& memory, std::uint64_t use) {
  DOHLE_ASSERT(memory.remembered > 0, "an event is looked for whose memory may be gone");
  std::uint32_t count = memory.references.load(std::memory_order_relaxed);
  do {
    if (count == 0) return nullptr;
  } while (!memory.references.compare_exchange_weak(count, count + 1, std::memory_order_acquire));
  EventPointer found = EventPointer::adopt(&memory);
  return memory.use == use ? found : nullptr;
}

void EventPool::empty(EventState& event) noexcept {
  if (event.buffer != nullptr) std::exchange(event.buffer, nullptr)->drop(1);
  event.nacked_with.reset();
  event.failed_reply.reset();
}

void EventPool::put_back(EventPointer event) noexcept {
  // No other thread has a reference to add one from, and `find` is called under the same lock.
  if (event->references.load(std::memory_order_acquire) != 1) return;
  EventState& last = *event.release();
  last.references.store(0, std::memory_order_relaxed);
  empty(last);
  last.next = std::exchange(free_, &last);
}

void EventPool::take_back(EventState& event) noexcept {
  empty(event);
  EventState* head = returned_.load(std::memory_order_acquire);
  do {
    if (head == &closed_mark_) {
      delete &event;
      if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
      return;
    }
    event.next = head;
  } while (!returned_.compare_exchange_weak(head, &event, std::memory_order_acq_rel));
}

void EventPool::close() {
  EventState* const returned = returned_.exchange(&closed_mark_, std::memory_order_acq_rel);
  const std::int64_t back = delete_all(returned) + delete_all(std::exchange(free_, nullptr));
  const std::int64_t out = static_cast<std::int64_t>(made_) - back;
  if (missing_.fetch_add(out, std::memory_order_acq_rel) + out == 0) delete this;
}

}  // namespace dohle::messaging
