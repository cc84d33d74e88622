#pragma once

#include <condition_variable>
#include <memory>
#include <string>
#include <utility>

#include "base/executor.hpp"
#include "base/idle_watch.hpp"
#include "base/sleeper.hpp"

namespace dohle {

/// A thread of the library in a process whose test moves the time on: its waits are known to the
/// IdleWatch. The program's code on it is not: see UserCall.
class WatchedThread final : public Sleeper, private IdleWatch::Party {
 public:
  WatchedThread(IdleWatch& watch, std::string name) : Party(watch, std::move(name)) {}

  /// `body`, in a thread that takes part from now on if there is a watch.
  [[nodiscard]] static Task watched(std::string name, Task body);
  /// The calling thread; null if it takes no part.
  [[nodiscard]] static WatchedThread* current() { return current_; }

  [[nodiscard]] TimePoint now() const override { return IdleWatch::now(); }
  void stand_still(TimePoint until) override;
  void wake() override;

 private:
  friend class UserCall;
  void rouse() override;

  static inline constinit thread_local WatchedThread* current_ = nullptr;
  std::condition_variable woken_;
  bool is_woken_ = false;
};

/// The program's code runs on this thread during the life of this object. It is at work then, also
/// while it waits, and its waits are in real time. Costs one look at a variable of the thread
/// outside of tests.
class UserCall {
 public:
  /// `describe()` returns the name of the called function, for a test that waits for it in vain.
  template <class Describe>
  explicit UserCall(Describe describe) : thread_(WatchedThread::current()) {
    if (thread_ != nullptr) [[unlikely]]
      begin(describe());
  }
  UserCall(const UserCall&) = delete;
  UserCall& operator=(const UserCall&) = delete;
  ~UserCall() {
    if (thread_ != nullptr) [[unlikely]]
      end();
  }

 private:
  void begin(std::string what);
  void end();

  WatchedThread* const thread_;
  /// Null inside of another such call.
  Sleeper* sleeper_ = nullptr;
};

}  // namespace dohle
