#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "base/disk.hpp"
#include "log/time_search.hpp"

namespace dohle::node {

/// Searches logs by time on a disk thread, one at a time, in the order of the calls. A search may
/// read and decompress many batches; the other disk threads stay free for other work. Owner's
/// thread only.
class TimeSearches {
 public:
  /// `disk` outlives the searches.
  explicit TimeSearches(Disk& disk) : disk_(&disk) {}
  ~TimeSearches() { *is_alive_ = false; }
  TimeSearches(const TimeSearches&) = delete;
  TimeSearches& operator=(const TimeSearches&) = delete;

  /// Runs the search, then calls `done`, after this call. A request has one search at a time.
  void run(std::shared_ptr<log::TimeSearch> search, Task done);
  /// The node stops: no further `done` is called.
  void drop_all();

 private:
  using Waiting = std::pair<std::shared_ptr<log::TimeSearch>, Task>;

  void start_next();

  Disk* disk_;
  std::deque<Waiting> waiting_;
  bool is_running_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
