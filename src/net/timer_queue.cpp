#include "net/timer_queue.hpp"

namespace dohle::net {

TimerId TimerQueue::arm(TimePoint at, Task task) {
  const TimerId id = ++last_id_;
  tasks_.emplace(std::pair(at, id), std::move(task));
  times_.emplace(id, at);
  return id;
}

void TimerQueue::cancel(TimerId id) {
  const auto found = times_.find(id);
  if (found == times_.end()) return;
  tasks_.erase({found->second, id});
  times_.erase(found);
}

TimePoint TimerQueue::next() const {
  return tasks_.empty() ? never : tasks_.begin()->first.first;
}

Task TimerQueue::take_due(TimePoint now) {
  if (tasks_.empty() || tasks_.begin()->first.first > now) return {};
  auto node = tasks_.extract(tasks_.begin());
  times_.erase(node.key().second);
  return std::move(node.mapped());
}

}  // namespace dohle::net
