#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/executor.hpp"
#include "base/simulated_thread.hpp"
#include "base/watched_thread.hpp"

namespace dohle {

/// A thread of the world that the calling thread belongs to: the system or a simulation. Like
/// std::thread it must be joined or detached before its destruction.
class Thread {
 public:
  /// `name`: shown to a test that waits for the thread. Throws std::system_error if the system
  /// cannot start a thread.
  Thread(std::string name, Task body) {
    if (SimulatedThread* const self = SimulatedThread::here()) {
      simulated_ = self->start(std::move(body));
    } else {
      system_ = std::thread(WatchedThread::watched(std::move(name), std::move(body)));
    }
  }

  [[nodiscard]] bool joinable() const { return simulated_ || system_.joinable(); }
  void join() {
    if (!simulated_) return system_.join();
    std::exchange(simulated_, nullptr)->join();
  }
  void detach() {
    if (!simulated_) return system_.detach();
    simulated_.reset();
  }

 private:
  std::thread system_;
  std::shared_ptr<SimulatedThread> simulated_;
};

}  // namespace dohle
