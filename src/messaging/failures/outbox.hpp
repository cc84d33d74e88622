#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "dohle/error.hpp"
#include "dohle/record.hpp"

namespace dohle::messaging {

/// Stores failed messages in retry topics and among dead letters; in a program a ProducerOutbox.
/// Thread safety: any thread.
class Outbox {
 public:
  using Done = std::move_only_function<void(Result<Receipt>)>;
  virtual ~Outbox() = default;
  /// Copies the record, and waits a few seconds at most. The partition that it names counts modulo
  /// the number that the topic has. `done` is called exactly once, on any
  /// thread, also inside this call; success means that all in-sync replicas have the record.
  virtual void send(const std::string& topic, const Record& record, Done done) = 0;
  /// Fails records that are not stored by then. Idempotent.
  virtual void close(std::chrono::milliseconds timeout) = 0;
};

}  // namespace dohle::messaging
