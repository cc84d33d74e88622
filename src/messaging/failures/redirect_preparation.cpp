#include "messaging/failures/redirect_preparation.hpp"

#include <system_error>
#include <utility>

#include "base/assert.hpp"
#include "base/thread.hpp"

namespace dohle::messaging {

struct RedirectPreparation::Work {
  const std::vector<std::string> topics;
  const Make make;
  const std::function<void()> on_done;
  /// The thread writes it until is_done.
  std::vector<Made> made = {};
  std::atomic<bool> is_done{false};
  std::atomic<bool> is_stopped{false};
};

RedirectPreparation::RedirectPreparation(std::vector<std::string> topics, Make make,
                                         std::function<void()> on_done)
    : work_(std::make_shared<Work>(std::move(topics), std::move(make), std::move(on_done))) {
  try {
    Thread thread("the preparation of retry topics", [work = work_] { run(*work); });
    // The thread shares all that it uses, and may wait for a server longer than its subscription
    // lives.
    thread.detach();
  } catch (const std::system_error& why) {
    const Error error =
        Error::client(Errc::limit_reached, std::string("no thread can be started: ") + why.what());
    for (const std::string& topic : work_->topics) work_->made.push_back({topic, fail(error)});
    work_->is_done = true;
  }
}

RedirectPreparation::~RedirectPreparation() {
  work_->is_stopped = true;
}

void RedirectPreparation::run(Work& work) {
  for (const std::string& topic : work.topics) {
    if (work.is_stopped) return;
    work.made.push_back({topic, work.make(topic)});
  }
  work.is_done = true;
  if (!work.is_stopped) work.on_done();
}

bool RedirectPreparation::is_done() const {
  return work_->is_done;
}

std::vector<RedirectPreparation::Made> RedirectPreparation::take() {
  DOHLE_ASSERT(is_done(), "topics are taken that are still being prepared");
  return std::exchange(work_->made, {});
}

}  // namespace dohle::messaging
