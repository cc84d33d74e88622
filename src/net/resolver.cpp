#include "net/resolver.hpp"

#include <deque>
#include <thread>

#include "base/assert.hpp"

namespace dohle::net {

struct Resolver::Queue {
  explicit Queue(std::size_t most) : max_threads(most) {}

  const std::size_t max_threads;
  std::mutex mutex;
  std::deque<std::shared_ptr<NameQuery>> queries;
  std::size_t threads = 0;
};

void NameQuery::give_up() {
  const std::lock_guard guard(mutex_);
  loop_ = nullptr;
}

bool NameQuery::is_given_up() {
  const std::lock_guard guard(mutex_);
  return loop_ == nullptr;
}

void NameQuery::look_up(const std::shared_ptr<NameQuery>& self) {
  if (is_given_up()) return;
  Answer answer = look_();
  // The lock keeps the loop alive during the post: `give_up` waits for it.
  const std::lock_guard guard(mutex_);
  if (loop_ == nullptr) return;
  loop_->post([self, answer = std::move(answer)]() mutable {
    if (!self->is_given_up()) self->then_(std::move(answer));
  });
}

Resolver::Resolver(std::size_t max_threads) : queue_(std::make_shared<Queue>(max_threads)) {}

std::shared_ptr<NameQuery> Resolver::ask(NameQuery::Look look, Executor& loop,
                                         NameQuery::Then then) {
  auto query = std::make_shared<NameQuery>(std::move(look), loop, std::move(then));
  const std::lock_guard guard(queue_->mutex);
  queue_->queries.push_back(query);
  if (queue_->threads < queue_->max_threads) {
    ++queue_->threads;
    std::thread([queue = queue_] { work(queue); }).detach();
  }
  return query;
}

void Resolver::work(const std::shared_ptr<Queue>& queue) {
  for (;;) {
    std::shared_ptr<NameQuery> query;
    {
      const std::lock_guard guard(queue->mutex);
      if (queue->queries.empty()) {
        DOHLE_ASSERT(queue->threads > 0, "more threads end than ask for names");
        --queue->threads;
        return;
      }
      query = std::move(queue->queries.front());
      queue->queries.pop_front();
    }
    query->look_up(query);
  }
}

}  // namespace dohle::net
