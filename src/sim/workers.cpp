#include "sim/workers.hpp"

#include <utility>

#include "sim/world.hpp"

namespace dohle::sim {

void SimWorkers::run(Task job, Executor& back, Task done) {
  if (!loop_.is_alive()) return;
  const std::uint64_t id = ++last_;
  pending_.emplace(id, Job{std::move(job), &back, std::move(done)});
  const Duration delay(10'000 + random_.below(490'000));
  loop_.world().after(delay, [this, id] { finish(id); });
}

void SimWorkers::finish(std::uint64_t id) {
  auto node = pending_.extract(id);
  if (node.empty()) return;
  Job& job = node.mapped();
  loop_.run_beside(job.job);
  job.job = nullptr;
  if (job.done) job.back->post(std::move(job.done));
}

}  // namespace dohle::sim
