#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "base/system_secure_random.hpp"
#include "disk/file_disk.hpp"
#include "dohle/logger.hpp"
#include "frames/framed_listening.hpp"
#include "net/loop.hpp"
#include "net/tcp.hpp"
#include "net/workers.hpp"
#include "node/node_engine.hpp"

namespace dohle::fault {

/// A node in this process, with measured turns, on real files and reached by TCP on 127.0.0.1. Its
/// destructor acts like the kill of a process.
class MeasuredNode {
 public:
  explicit MeasuredNode(node::NodeSettings settings, disk::FileDiskOptions disk = {})
      : disk_(loop_, disk) {
    loop_.measure_turns();
    loop_.start("measured-node");
    on_loop([&] {
      engine_ = std::make_unique<node::NodeEngine>(
          node::NodeEnvironment{loop_, disk_, workers_, random_, *logger_}, std::move(settings));
      const TimePoint begin = loop_.mono_now();
      started_ = engine_->start();
      if (!started_) return;
      auto at = engine_->listen(listening_, {"tcp", Endpoint{"127.0.0.1", 0}, {}});
      start_time_ = std::chrono::duration_cast<std::chrono::microseconds>(loop_.mono_now() - begin);
      if (at) {
        port_ = at->port;
      } else {
        started_ = fail(at.error());
      }
    });
    (void)longest_turn();
  }
  ~MeasuredNode() {
    on_loop([&] { engine_.reset(); });
    loop_.stop();
    loop_.join();
  }
  MeasuredNode(const MeasuredNode&) = delete;
  MeasuredNode& operator=(const MeasuredNode&) = delete;

  /// Stops cleanly.
  Result<void> stop() {
    std::promise<Result<void>> stopped;
    loop_.post([&] {
      engine_->stop(loop_.tick().mono,
                    [&](Result<void> outcome) { stopped.set_value(std::move(outcome)); });
    });
    return stopped.get_future().get();
  }
  /// Runs `work` with the engine, on its thread. The turn of `work` is not measured.
  template <class Work>
  void with_engine(Work work) {
    on_loop([&] { work(*engine_); });
    (void)longest_turn();
  }
  /// Time from the lock of the directory until the node listened.
  [[nodiscard]] std::chrono::microseconds start_time() const { return start_time_; }
  [[nodiscard]] const Result<void>& started() const { return started_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// The longest CPU time of a turn since the start or the last call.
  [[nodiscard]] std::chrono::microseconds longest_turn() {
    on_loop([] {});  // so that the previous turn has ended
    return std::chrono::duration_cast<std::chrono::microseconds>(loop_.take_longest_turn());
  }

 private:
  template <class Work>
  void on_loop(Work work) {
    std::promise<void> done;
    loop_.post([&] {
      work();
      // In a turn of its own, so that the turn of the work has ended and is measured.
      loop_.arm(loop_.mono_now(), [&] { loop_.post([&] { done.set_value(); }); });
    });
    done.get_future().wait();
  }

  std::shared_ptr<Logger> logger_ = stderr_logger();
  net::Loop loop_;
  net::WorkerThreads workers_{1};
  disk::FileDisk disk_;
  SystemSecureRandom random_;
  net::TcpListening tcp_{loop_, logger_};
  frames::FramedListening listening_{tcp_, {loop_, &loop_.read_buffers()}};
  std::unique_ptr<node::NodeEngine> engine_;
  Result<void> started_;
  std::chrono::microseconds start_time_{};
  std::uint16_t port_ = 0;
};

}  // namespace dohle::fault
