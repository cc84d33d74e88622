#include <algorithm>
#include <atomic>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "base/broker_errors.hpp"
#include "base/fork_watch.hpp"
#include "base/idle_watch.hpp"
#include "base/option_checks.hpp"
#include "base/time_shift.hpp"
#include "base/topic_name.hpp"
#include "dohle/kafka.hpp"
#include "dohle/node.hpp"
#include "dohle/testing.hpp"
#include "messaging/broker_access.hpp"
#include "messaging/broker_runtime.hpp"
#include "messaging/embedded/embedded_node.hpp"
#include "messaging/live_brokers.hpp"
#include "messaging/subscribe/subscription.hpp"
#include "node/node_access.hpp"
#include "testing/faults.hpp"
#include "testing/unhandled.hpp"

namespace dohle {
inline namespace v0 {
namespace testing {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test_environment::Ends;
using test_environment::Faults;
using test_environment::GroupLook;

namespace {

constexpr std::int32_t max_partitions = 1'000;
constexpr milliseconds longest = std::chrono::days(3'650);

Result<void> check(const EnvironmentOptions& options) {
  return check_options({{"partitions", options.partitions, 1, max_partitions},
                        {"idle_timeout", options.idle_timeout.count(), 1, 3'600'000, "ms"}});
}

Result<void> check_time(std::string_view call, milliseconds by) {
  if (by >= milliseconds(0) && by <= longest) return {};
  return fail(Error::client(Errc::invalid_argument, std::string(call) + ": the time is " +
                                                        std::to_string(by.count()) +
                                                        " ms; allowed are 0 ms to ten years"));
}

Result<void> check_fault(std::string_view call, std::int16_t code, std::size_t count) {
  if (code == broker_error::none || find_broker_error(code) == nullptr) {
    return fail(Error::client(Errc::invalid_argument, std::string(call) + ": the code is " +
                                                          std::to_string(code) +
                                                          "; allowed are Kafka's error codes"));
  }
  if (count > 0) return {};
  return fail(Error::client(Errc::invalid_argument,
                            std::string(call) + ": the count is 0; allowed are 1 and more"));
}

milliseconds left_until(steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  return std::max(left, milliseconds(0));
}

std::string held_text(const std::vector<HeldMessage>& held) {
  std::string text;
  for (const HeldMessage& each : held) {
    text += "; " + partition_name(each.topic, each.partition) + " is held at offset " +
            std::to_string(each.offset.value) + ": " + each.reason.to_string();
  }
  return text;
}

/// The reason why the remaining messages are not handled.
std::string state_text() {
  const std::string at_work = IdleWatch::begin().at_work();
  if (!at_work.empty()) return "; at work: " + at_work;
  return "; nothing is at work, so only the test can bring more, or the time, which advance moves";
}

}  // namespace

struct Environment::Parts {
  explicit Parts(EnvironmentOptions options_)
      : options(std::move(options_)),
        faults(std::make_shared<Faults>(options.create_topics ? options.partitions : 0)) {}

  Result<void> start() {
    static std::atomic<unsigned> started{0};
    NodeOptions wanted;
    wanted.listeners.clear();
    wanted.durability = Durability::os;
    wanted.logger = options.logger;
    auto made = node::NodeAccess::start(std::move(wanted), faults);
    if (!made) return fail(made.error());
    const std::string name = "memory/testing-" + std::to_string(++started);
    address = "embedded:" + name;
    std::tie(share, node) = messaging::EmbeddedNode::share(name, *std::move(made));
    return {};
  }

  /// The connected Brokers of this node.
  [[nodiscard]] std::vector<std::shared_ptr<messaging::BrokerRuntime>> brokers() const {
    auto all = messaging::LiveBrokers::all();
    std::erase_if(
        all, [this](const auto& each) { return each->options().addresses.front() != address; });
    return all;
  }

  Result<void> deliver(steady_clock::time_point deadline) const {
    for (const auto& broker : brokers()) {
      if (auto settled = broker->settle(left_until(deadline)); !settled) return settled;
    }
    return {};
  }

  [[nodiscard]] Result<GroupLook> look_at_group(const std::string& group, bool with_retries) const {
    GroupLook look;
    auto looked = node::NodeAccess::with_engine(*node, [&](node::NodeEngine& engine) {
      look = test_environment::look_at_group(engine, group, with_retries);
    });
    if (!looked) return fail(looked.error());
    return look;
  }

  [[nodiscard]] Result<Ends> ends_of(const std::vector<messaging::PartitionProgress>& read) const {
    Ends ends;
    auto looked = node::NodeAccess::with_engine(
        *node, [&](node::NodeEngine& engine) { ends = test_environment::ends_of(engine, read); });
    if (!looked) return fail(looked.error());
    return ends;
  }

  [[nodiscard]] std::vector<HeldMessage> held_by(const std::string& group) const {
    std::vector<HeldMessage> held;
    for (const auto& broker : brokers()) {
      for (const auto& subscription : broker->running()) {
        if (subscription->group_id() != group) continue;
        std::ranges::move(subscription->held(), std::back_inserter(held));
      }
    }
    return held;
  }

  const EnvironmentOptions options;
  const std::shared_ptr<Faults> faults;
  std::string address;
  std::unique_ptr<messaging::EmbeddedNode> share;
  /// Lives as long as `share`.
  Node* node = nullptr;
  const ForkMark made_in = {};
};

Environment::Environment(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Environment::Environment(Environment&&) noexcept = default;
Environment& Environment::operator=(Environment&&) noexcept = default;
Environment::~Environment() = default;

Result<Environment> Environment::start(EnvironmentOptions options) {
  if (auto checked = check(options); !checked) return fail(checked.error());
  IdleWatch::begin();
  auto parts = std::make_unique<Parts>(options);
  try {
    if (auto started = parts->start(); !started) return fail(started.error());
  } catch (const std::system_error& error) {
    return fail(Error::client(Errc::limit_reached, std::string("the system could not create the "
                                                               "node's loop: ") +
                                                       error.what()));
  }
  return Environment(std::move(parts));
}

Result<void> Environment::check_usable() const {
  if (!parts_) return fail(Error::client(Errc::closed, "the Environment was moved from"));
  if (!parts_->made_in.is_forked()) return {};
  return fail(Error::client(Errc::forked,
                            "an Environment cannot be used after fork() in the child process"));
}

const std::string& Environment::address() const {
  static const std::string none;
  return parts_ ? parts_->address : none;
}

Result<Broker> Environment::connect(kafka::BrokerOptions options) {
  if (auto usable = check_usable(); !usable) return fail(usable.error());
  options.addresses = {parts_->address};
  auto broker = kafka::new_broker(std::move(options));
  if (!broker) return broker;
  if (auto connected = broker->connect(); !connected) return fail(connected.error());
  return broker;
}

// --- time

std::chrono::system_clock::time_point Environment::now() const {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(time_shift());
}

Result<void> Environment::advance(milliseconds by) {
  if (auto usable = check_usable(); !usable) return usable;
  if (auto checked = check_time("advance", by); !checked) return checked;
  auto moved = IdleWatch::begin().advance(by, parts_->options.idle_timeout);
  if (moved) return {};
  return fail(moved.error().within("advance by " + std::to_string(by.count()) + " ms"));
}

Result<void> Environment::wait_idle() {
  if (auto usable = check_usable(); !usable) return usable;
  auto idle = IdleWatch::begin().wait_idle(parts_->options.idle_timeout);
  if (idle) return {};
  return fail(idle.error().within("wait_idle"));
}

// --- waiting

Result<void> Environment::wait_handled(std::string_view group_id, WaitOptions options) {
  if (auto usable = check_usable(); !usable) return usable;
  const std::string group(group_id);
  const auto deadline = steady_clock::now() + call_timeout(options.timeout);
  if (auto delivered = parts_->deliver(deadline); !delivered) return delivered;
  std::optional<std::uint64_t> seen;
  const auto may_differ = [&] { return !seen || *seen != parts_->faults->changes(); };
  Result<GroupLook> look = GroupLook{};
  for (bool has_time = true; has_time;) {
    // The last look is for the error.
    has_time = IdleWatch::begin().wait_until(deadline, may_differ);
    seen = parts_->faults->changes();
    look = parts_->look_at_group(group, options.retry_topics);
    if (!look) return fail(look.error());
    if (look->is_done()) return {};
  }
  const std::string left =
      look->why_not.empty() ? test_environment::to_text(look->left) : look->why_not;
  return fail(
      Error::client(Errc::timed_out, "group " + group + " has not handled everything after " +
                                         std::to_string(options.timeout.count()) + " ms: " + left +
                                         held_text(parts_->held_by(group)) + state_text()));
}

Result<void> Environment::wait_handled(const Subscriber& subscriber, WaitOptions options) {
  if (auto usable = check_usable(); !usable) return usable;
  const auto& subscription = messaging::BrokerAccess::subscription(subscriber);
  if (!subscription) {
    return fail(Error::client(Errc::closed, "wait_handled: the Subscriber was moved from"));
  }
  const auto deadline = steady_clock::now() + call_timeout(options.timeout);
  if (auto delivered = parts_->deliver(deadline); !delivered) return delivered;
  const auto is_done_up_to = [&](const Ends& ends) {
    const auto read = subscription->progress();
    return !read.empty() &&
           test_environment::not_acknowledged(read, ends, options.retry_topics).empty();
  };
  Ends ends;
  for (bool has_time = true; has_time;) {
    has_time = IdleWatch::begin().wait_until(deadline, [&] { return is_done_up_to(ends); });
    // Its partitions may have changed meanwhile, and their ends have grown.
    auto now = parts_->ends_of(subscription->progress());
    if (!now) return fail(now.error());
    ends = *std::move(now);
    if (is_done_up_to(ends)) return {};
  }
  const auto read = subscription->progress();
  const std::string left = read.empty()
                               ? "no partitions are assigned to it"
                               : test_environment::to_text(test_environment::not_acknowledged(
                                     read, ends, options.retry_topics));
  return fail(Error::client(Errc::timed_out, "the subscriber to " + subscription->topic() +
                                                 " has not handled everything after " +
                                                 std::to_string(options.timeout.count()) +
                                                 " ms: " + left + held_text(subscription->held()) +
                                                 state_text()));
}

// --- faults

Result<void> Environment::drop_connections() {
  if (auto usable = check_usable(); !usable) return usable;
  return node::NodeAccess::with_engine(*parts_->node,
                                       [](node::NodeEngine& engine) { engine.drop_connections(); });
}

Result<void> Environment::refuse_connections(std::size_t count) {
  if (auto usable = check_usable(); !usable) return usable;
  parts_->faults->refuse_connections(count);
  return {};
}

Result<void> Environment::delay_requests(milliseconds by) {
  if (auto usable = check_usable(); !usable) return usable;
  if (auto checked = check_time("delay_requests", by); !checked) return checked;
  parts_->faults->delay_requests(by);
  return {};
}

Result<void> Environment::fail_next_produce(std::int16_t code, ProduceFault which) {
  if (auto usable = check_usable(); !usable) return usable;
  if (auto checked = check_fault("fail_next_produce", code, which.count); !checked) return checked;
  parts_->faults->fail_produces(code, which.count, std::move(which.topic));
  return {};
}

Result<void> Environment::fail_next_commit(std::int16_t code, std::size_t count) {
  if (auto usable = check_usable(); !usable) return usable;
  if (auto checked = check_fault("fail_next_commit", code, count); !checked) return checked;
  parts_->faults->fail_commits(code, count);
  return {};
}

std::size_t Environment::faults_left() const {
  return check_usable() ? parts_->faults->left() : 0;
}

Result<void> Environment::clear_faults() {
  if (auto usable = check_usable(); !usable) return usable;
  parts_->faults->clear();
  return {};
}

}  // namespace testing
}  // namespace v0
}  // namespace dohle
