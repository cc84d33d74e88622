#pragma once

// The optional target dohle::testing: tests of programs that use the messaging API, with a node in
// memory, time that the test moves on, and faults. No test framework is needed.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "dohle/broker.hpp"
#include "dohle/broker_options.hpp"
#include "dohle/error.hpp"
#include "dohle/export.hpp"
#include "dohle/logger.hpp"
#include "dohle/options.hpp"

namespace dohle {
inline namespace v0 {
/// Tests of programs that use the messaging API: the target dohle::testing. Code inside of
/// namespace dohle that uses GoogleTest writes `::testing` for that.
namespace testing {

/// The options of an Environment.
struct EnvironmentOptions {
  /// Default: true. Whether a topic is created when a client first asks about it, to publish or to
  /// subscribe. Topics for retries and dead letters (names with ".retry.", or ending with ".dlt")
  /// are not: their subscription creates them. So a topic that was deleted comes back when a client
  /// asks about it again.
  bool create_topics = true;
  /// Default: 1. 1 to 1,000. The partitions of such a topic.
  std::int32_t partitions = 1;
  /// Default: 10 s. 1 ms to 1 h. How long `advance` and `wait_idle` wait in real time for work that
  /// does not end, as a handler that blocks.
  std::chrono::milliseconds idle_timeout{10'000};
  /// Default: null, warnings and errors go to standard error. Receives the node's lines.
  std::shared_ptr<Logger> logger = nullptr;
};

/// How Environment::wait_handled waits.
struct WaitOptions {
  /// Default: 10 s. How long it waits, in real time.
  std::chrono::milliseconds timeout{10'000};
  /// Default: false. Whether the messages in the retry topics have to be handled, too. They wait
  /// there until their delay has passed: see Environment::advance.
  bool retry_topics = false;
};

/// The produce requests that Environment::fail_next_produce makes fail.
struct ProduceFault {
  /// Default: 1. At least 1. How many of them.
  std::size_t count = 1;
  /// Default: empty, every topic counts. The topic to which they write.
  std::string topic = {};
};

/// A node in memory for one test, with time that the test moves on and faults that it asks for.
///
///     auto environment = checked(testing::Environment::start());
///     auto broker = checked(environment.connect());
///     auto orders = checked(broker.subscribe<Order>("orders", handler, with_group_id("kitchen")));
///     checked(broker.publish("orders", Order{"tea"}));
///     check(environment.wait_handled("kitchen"));
///
/// Threads are real, and so is the time, but that `advance` moves it on. It moves the clocks of
/// everything of this library in the process: Environments of one process share their time, which
/// stays ahead of the system's. Threads that start before the first Environment, the program's own
/// ones, and sockets take no part: `advance` neither wakes them nor waits for them. Deadlines of
/// blocking calls (wait_ready, Delivery::wait, unsubscribe) are in real time on all threads but the
/// library's own. Those of publish, request, flush, connect, PullSubscriber::next and an Admin's
/// calls pass sooner if another thread calls `advance` meanwhile. A thread in PullSubscriber::next
/// is not woken for a message whose retry becomes due so.
///
/// Move-only. Thread safety: any thread, but not while it is being moved. Not inside a handler or
/// callback, whose end `advance` and the waits would wait for. Its Brokers may outlive it. Moved
/// from, its calls answer Errc::closed, and its address is empty. In a forked child its calls
/// answer Errc::forked; the child may start an Environment of its own.
class DOHLE_API Environment {
 public:
  /// Starts the node. Errors: configuration; limit_reached without descriptors for its loop.
  [[nodiscard]] static Result<Environment> start(EnvironmentOptions options = {});
  Environment(Environment&&) noexcept;
  Environment& operator=(Environment&&) noexcept;
  /// The node ends with its last Broker.
  ~Environment();

  /// The node's address, as "embedded:memory/testing-1": for code that makes its Broker itself.
  [[nodiscard]] const std::string& address() const;
  /// A connected Broker with these options, whose addresses are replaced by the node's. Errors:
  /// those of new_broker and Broker::connect; closed.
  [[nodiscard]] Result<Broker> connect(kafka::BrokerOptions options = {});
  /// `connect(with_batch_timeout(5ms))`
  template <messaging::FirstOption<kafka::BrokerOptions> First, class... Options>
  [[nodiscard]] Result<Broker> connect(First&& first, Options&&... options) {
    static_assert(messaging::are_options<kafka::BrokerOptions, First, Options...>,
                  "dohle: connect takes BrokerOptions, or options of a broker: with_* functions "
                  "that set a member of BrokerOptions");
    if constexpr (messaging::are_options<kafka::BrokerOptions, First, Options...>) {
      return connect(messaging::options_of<kafka::BrokerOptions>(
          std::forward<First>(first), std::forward<Options>(options)...));
    }
  }

  /// The library's wall clock: that of records, retries and deadlines of messages.
  [[nodiscard]] std::chrono::system_clock::time_point now() const;
  /// Moves the time on, in steps. Each step goes to the next time at which a timer of the node, of
  /// a client or of a subscription is due, and ends when all their work is done. So what is due
  /// within `by` happens in its order, and once: heartbeats, and thus no session expires; polls,
  /// and thus max.poll.interval does not; retries, retry topics, ack timeouts, batch and commit
  /// intervals. Work of the program's own threads is not waited for. 0 does what is due now.
  /// Errors: timed_out if something is still at work after idle_timeout, which is named (a handler
  /// with its message); invalid_argument for a negative time, or for more than ten years; closed.
  Result<void> advance(std::chrono::milliseconds by);
  /// Waits until the threads of the library have nothing to do but to wait for a later time.
  /// Errors: timed_out as advance; closed.
  Result<void> wait_idle();

  /// Waits until the group has committed all messages of the partitions that are assigned to its
  /// members. First it delivers what Brokers of this node have published. It does not move the time
  /// on: messages that wait for a retry, or for a commit interval, need `advance`. Errors:
  /// timed_out with the partitions and offsets that are left, what holds them, and what is at work;
  /// those of Broker::flush; closed.
  Result<void> wait_handled(std::string_view group_id, WaitOptions options = {});
  /// The same for one subscriber, also without a group: until it has acknowledged all messages of
  /// the partitions that are assigned to it.
  Result<void> wait_handled(const Subscriber& subscriber, WaitOptions options = {});

  // Faults. Clients see them as they would see those of a network or of a server. Each begins at
  // once and lasts until it has happened as often as was asked, or until clear_faults. Error codes
  // are Kafka's, as 6 for NOT_LEADER_OR_FOLLOWER; a code that Kafka does not have, or 0, is
  // Errc::invalid_argument.

  /// Closes all connections to the node. Clients connect again. Errors: closed.
  Result<void> drop_connections();
  /// Refuses the next `count` connections to the node. Open ones stay: see drop_connections.
  /// Errors: closed.
  Result<void> refuse_connections(std::size_t count = SIZE_MAX);
  /// Serves each request that arrives from now on `by` later; further requests of its connection
  /// wait behind it. 0 ends that. `advance` moves this time on, too. Errors: invalid_argument for a
  /// negative time, or for more than ten years; closed.
  Result<void> delay_requests(std::chrono::milliseconds by);
  /// The node stores nothing of the next requests with records, and answers each of their
  /// partitions with `code`. A client retries retriable codes. A request with records of several
  /// topics counts once for each of them. Errors: invalid_argument; closed.
  Result<void> fail_next_produce(std::int16_t code, ProduceFault which = {});
  /// The node stores nothing of the next `count` requests that commit offsets, of any group, and
  /// answers them with `code`. Errors: invalid_argument; closed.
  Result<void> fail_next_commit(std::int16_t code, std::size_t count = 1);
  /// The failures that were asked for and have not happened: of produces, commits and connections.
  /// 0 in a forked child.
  [[nodiscard]] std::size_t faults_left() const;
  /// Ends all faults. Errors: closed.
  Result<void> clear_faults();

 private:
  struct Parts;
  explicit Environment(std::unique_ptr<Parts> parts);
  [[nodiscard]] Result<void> check_usable() const;
  std::unique_ptr<Parts> parts_;
};

}  // namespace testing
}  // namespace v0
}  // namespace dohle
