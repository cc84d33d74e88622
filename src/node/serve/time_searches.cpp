#include "node/serve/time_searches.hpp"

namespace dohle::node {

void TimeSearches::run(std::shared_ptr<log::TimeSearch> search, Task done) {
  waiting_.emplace_back(std::move(search), std::move(done));
  start_next();
}

void TimeSearches::start_next() {
  if (is_running_ || waiting_.empty()) return;
  is_running_ = true;
  auto [search, done] = std::move(waiting_.front());
  waiting_.pop_front();
  disk_->run([search] { search->run(); },
             [this, alive = is_alive_, search, done = std::move(done)]() mutable {
               if (!*alive) return;
               is_running_ = false;
               start_next();
               done();
             });
}

void TimeSearches::drop_all() {
  *std::exchange(is_alive_, std::make_shared<bool>(true)) = false;
  waiting_.clear();
  is_running_ = false;
}

}  // namespace dohle::node
