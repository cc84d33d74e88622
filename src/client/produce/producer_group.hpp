#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/budget.hpp"
#include "base/call_deadline.hpp"
#include "client/cluster/shared_client.hpp"
#include "dohle/producer.hpp"

namespace dohle::client {

class RecordSender;

/// Producers of one client that share one memory limit.
class ProducerGroup {
 public:
  explicit ProducerGroup(std::size_t buffer_bytes) : memory(buffer_bytes) {}

  const SharedBudget memory;

  // Loop thread.

  void join(std::weak_ptr<RecordSender> member);
  /// Sends the records of the other members early, if `waiting` has the smaller part of the memory
  /// in use.
  void hurry_others(const RecordSender& waiting);

 private:
  std::vector<std::weak_ptr<RecordSender>> members_;
};

// Calls of several producers of one client, all at once. The reports are summed. An error of one
// does not end the others. Any thread. Errors: would_deadlock, closed, forked; the first of the
// producers'.

/// Errors: also cancelled if a stop was requested. A flush that ends early takes no report.
[[nodiscard]] Result<FlushReport> flush_together(Client::Shared& client,
                                                 std::span<Producer* const> producers,
                                                 const CallDeadline& deadline,
                                                 const std::stop_token& stop);
[[nodiscard]] Result<FlushReport> close_together(Client::Shared& client,
                                                 std::span<Producer* const> producers,
                                                 const CallDeadline& deadline);

/// Makes the batches of all deliveries due, as waiting for each would. Any thread.
void hurry_together(std::span<const Result<Delivery>> deliveries);

/// See RecordSender::close_if_idle. Loop thread.
[[nodiscard]] std::optional<FlushReport> close_if_idle(Producer& producer);
/// The loop's side of a producer that was not moved from.
[[nodiscard]] const std::shared_ptr<RecordSender>& sender_of(Producer& producer);

/// Adds one report to the sum of others.
void add(const FlushReport& one, FlushReport& all);

}  // namespace dohle::client
