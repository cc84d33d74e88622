#pragma once

#include "base/executor.hpp"

namespace dohle {

/// A loop that works in turns. Loop thread only.
class Turns {
 public:
  /// Runs `task` when the current turn ends; between turns, when the next one ends.
  virtual void at_turn_end(Task task) = 0;

 protected:
  ~Turns() = default;
};

}  // namespace dohle
