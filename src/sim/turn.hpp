#pragma once

#include <semaphore.h>

#include <cerrno>

#include "base/assert.hpp"

namespace dohle::sim {

/// The right to run, which one thread gives to another that waits for it. The other one sleeps at
/// once. std::binary_semaphore yields the CPU several times before it sleeps: beside programs that
/// use all cores a turn then took more than 1 ms, with this 10 µs.
/// Thread safety: any thread gives it, and one waits.
class Turn {
 public:
  Turn() { DOHLE_ASSERT(::sem_init(&given_, 0, 0) == 0, "a semaphore cannot be made"); }
  ~Turn() { ::sem_destroy(&given_); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void give() { DOHLE_ASSERT(::sem_post(&given_) == 0, "a turn is given too often"); }
  /// Waits until it is given.
  void take() {
    while (::sem_wait(&given_) != 0) DOHLE_ASSERT(errno == EINTR, "a turn cannot be waited for");
  }

 private:
  ::sem_t given_{};
};

}  // namespace dohle::sim
