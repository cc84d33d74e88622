#pragma once

// The optional target dohle::testing, for tests of programs that use the messaging API. It has a
// node in memory, time that the test advances, and faults. It needs no test framework.

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
/// Tests of programs that use the messaging API: the target dohle::testing. Code inside namespace
/// dohle that uses GoogleTest has to write `::testing` for GoogleTest's namespace.
namespace testing {

/// The options of an Environment.
struct EnvironmentOptions {
  /// Default: true, a topic is created when a client first asks about it, to publish or to
  /// subscribe. So a deleted topic is created again when a client asks about it. Topics for retries
  /// and dead letters (names that contain ".retry." or end with ".dlt") are excepted: their
  /// subscription creates them.
  bool create_topics = true;
  /// Default: 1. 1 to 1,000. The number of partitions of a topic that is created in this way.
  std::int32_t partitions = 1;
  /// Default: 10 s. 1 ms to 1 h. How long `advance` and `wait_idle` wait in real time for work that
  /// does not end, for example for a handler that blocks.
  std::chrono::milliseconds idle_timeout{10'000};
  /// Default: null, warnings and errors go to standard error. Receives the node's log lines.
  std::shared_ptr<Logger> logger = nullptr;
};

/// The options of Environment::wait_handled.
struct WaitOptions {
  /// Default: 10 s. How long the call waits, in real time.
  std::chrono::milliseconds timeout{10'000};
  /// Default: false. If true, the messages in the retry topics have to be handled, too. They wait
  /// there until their delay has passed, see Environment::advance.
  bool retry_topics = false;
};

/// Selects the produce requests that Environment::fail_next_produce makes fail.
struct ProduceFault {
  /// Default: 1. At least 1. The number of requests.
  std::size_t count = 1;
  /// Default: empty, requests for any topic. The topic to which the requests write.
  std::string topic = {};
};

/// A node in memory for one test, with time that the test advances and faults that the test
/// injects.
///
///     auto environment = checked(testing::Environment::start());
///     auto broker = checked(environment.connect());
///     auto orders = checked(broker.subscribe<Order>("orders", handler, with_group_id("kitchen")));
///     checked(broker.publish("orders", Order{"tea"}));
///     check(environment.wait_handled("kitchen"));
///
/// Threads are real. Time is real, too, but `advance` moves it forward. It moves the clocks of all
/// objects of this library in the process. All Environments of one process share their time, which
/// stays ahead of the system's time.
///
/// `advance` neither wakes nor waits for sockets, the program's own threads, and threads that
/// started before the first Environment. On threads that are not the library's, and in handlers,
/// deadlines of blocking calls are in real time. The times of what they wait for follow `advance`:
/// timeouts of requests, delivery timeouts and backoffs. If a retry becomes due through `advance`,
/// a thread that waits in PullSubscriber::next is not woken for it.
///
/// Move-only. Thread safety: any thread, but not while it is being moved. `advance` and the waits
/// must not be called inside a handler or callback, because they wait for its end. Brokers may
/// outlive the Environment. After a move, the calls of the source return Errc::closed, and its
/// address is empty. In a forked child the calls return Errc::forked; the child may start an
/// Environment of its own.
class DOHLE_API Environment {
 public:
  /// Starts the node. Errors: configuration; limit_reached if there are no descriptors left for its
  /// event loop.
  [[nodiscard]] static Result<Environment> start(EnvironmentOptions options = {});
  Environment(Environment&&) noexcept;
  Environment& operator=(Environment&&) noexcept;
  /// Releases the node, which ends with its last Broker.
  ~Environment();

  /// The node's address, for example "embedded:memory/testing-1". For code that makes its own
  /// Broker. Valid while this object lives.
  [[nodiscard]] const std::string& address() const;
  /// Makes a Broker with these options, but with the node's address, and connects it. Errors: those
  /// of new_broker and Broker::connect; closed.
  [[nodiscard]] Result<Broker> connect(kafka::BrokerOptions options = {});
  /// The same with `with_*` options: `connect(with_batch_timeout(5ms))`. Errors: those of connect.
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

  /// The time of the library's wall clock, which timestamps, retries and deadlines of messages use.
  [[nodiscard]] std::chrono::system_clock::time_point now() const;
  /// Moves the time forward by `by`, 0 to ten years, in steps. Each step goes to the next time at
  /// which a timer of the node, of a client or of a subscription is due, and ends when all of their
  /// work is done. So all events that are due within `by` happen once and in their order: retries,
  /// retry topics, ack timeouts, batch intervals and commit intervals. Heartbeats and polls happen,
  /// too, so no session and no max.poll.interval expires. It does not wait for the work of the
  /// program's own threads. 0 runs the timers that are already due. Errors: timed_out if work has
  /// not ended after idle_timeout, with the name of that work (for a handler, with its message);
  /// invalid_argument for a time outside the range; closed.
  Result<void> advance(std::chrono::milliseconds by);
  /// Waits until the library's threads have no work left that is due now. Errors: timed_out as
  /// advance; closed.
  Result<void> wait_idle();

  /// Waits until the group has committed all messages of the partitions that are assigned to its
  /// members. First it delivers the messages that Brokers of this node have published. It does not
  /// move the time forward: messages that wait for a retry or for a commit interval need `advance`.
  /// Errors: timed_out, with the remaining partitions and offsets, the messages that hold them, and
  /// the work that has not ended; those of Broker::flush; closed.
  Result<void> wait_handled(std::string_view group_id, WaitOptions options = {});
  /// The same for one subscriber, also without a group. It waits until the subscriber has
  /// acknowledged all messages of the partitions that are assigned to it. Errors: as above.
  Result<void> wait_handled(const Subscriber& subscriber, WaitOptions options = {});

  // Faults. To clients they look like faults of a network or of a server. Each fault begins at
  // once. It lasts until it has happened the requested number of times, or until clear_faults.
  // Error codes are Kafka's, for example 6 for NOT_LEADER_OR_FOLLOWER. A code that Kafka does not
  // have, or 0, is Errc::invalid_argument.

  /// Closes all connections to the node. Clients connect again. Errors: closed.
  Result<void> drop_connections();
  /// Refuses the next `count` connections to the node. Open connections stay; drop_connections
  /// closes them. Errors: closed.
  Result<void> refuse_connections(std::size_t count = SIZE_MAX);
  /// Delays each request that arrives from now on by `by`, 0 to ten years. Later requests of the
  /// same connection wait behind it. 0 ends the delay. `advance` also moves this time forward.
  /// Errors: invalid_argument for a time outside the range; closed.
  Result<void> delay_requests(std::chrono::milliseconds by);
  /// The node stores no records of the next produce requests, and answers each of their partitions
  /// with `code`. A client retries retriable codes. A request with records for several topics
  /// counts once for each topic. Errors: invalid_argument; closed.
  Result<void> fail_next_produce(std::int16_t code, ProduceFault which = {});
  /// The node stores no offsets of the next `count` commit requests, of any group, and answers them
  /// with `code`. Errors: invalid_argument; closed.
  Result<void> fail_next_commit(std::int16_t code, std::size_t count = 1);
  /// The number of requested failures of produce requests, commits and connections that have not
  /// happened yet. 0 in a forked child.
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
