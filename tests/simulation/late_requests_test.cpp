// Requests that arrive late on a connection that the client has given up: the network delayed them,
// and the client has sent them again on another connection. docs/simulation.md describes the
// consequences.
#include <charconv>
#include <set>
#include <string>
#include <vector>

#include "client/produce/record_sender.hpp"
#include "simulation/wording.hpp"
#include "unit/client/scripted_cluster.hpp"
#include "unit/node/node_world.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;
namespace {

/// A producer and the node, with a network that can delay single connections.
class LateRequests : public node::NodeWorld {
 protected:
  struct Running {
    Running(sim::Process& self, const ProducerOptions& options) {
      client::Cluster::Options engine;
      engine.bootstrap = {{"node", 9092}};
      client = std::make_shared<client::SimulatedClient>(self, std::move(engine));
      sender = std::make_shared<client::RecordSender>(client, options);
      sender->start();
    }
    std::shared_ptr<client::SimulatedClient> client;
    std::shared_ptr<client::RecordSender> sender;
  };

  void start(ProducerOptions options) {
    create("orders", 1, {{"segment.bytes", "1024"}});
    process_ = &world.machine("client").start("producer", [options](sim::Process& self) {
      return std::make_shared<Running>(self, options);
    });
    world.run_for(1ms);
    sender().find_topic("orders", world.now() + 5s, [this](auto found) { topic_ = *found; });
    ASSERT_TRUE(world.run_until([this] { return topic_ != nullptr; }, 5s));
  }
  client::RecordSender& sender() { return *process_->running_as<Running>()->sender; }
  /// Sends a record. Its outcome goes to `outcomes`.
  void send(const std::string& value) {
    auto& to = *topic_->table().all.at(0);
    DeliveryCallback callback = [this, value](Result<Receipt> outcome) {
      outcomes.insert_or_assign(value, std::move(outcome));
    };
    const auto place = to.queue.append({.value = as_bytes(value)}, {.callback = &callback});
    ASSERT_EQ(place.appended, client::PartitionQueue::Appended::ok);
    if (place.wake) sender().wake(to);
  }
  bool is_told(const std::string& value) { return outcomes.contains(value); }
  void send_and_wait(const std::string& value) {
    send(value);
    ASSERT_TRUE(world.run_until([&] { return is_told(value); }, 10s));
    ASSERT_TRUE(outcomes.at(value).has_value());
  }
  /// Whether the client has read a produce answer with that error.
  bool is_refused(std::string_view code) {
    return std::ranges::any_of(frames, [&](const std::string& line) {
      return line.starts_with("Produce") && line.find(code) != line.npos;
    });
  }
  /// Fetches until the end, since one fetch ends with its segment.
  std::vector<std::string> all_values(const std::string& topic) {
    std::vector<std::string> all;
    for (;;) {
      const auto more = values(topic, {.offset = static_cast<std::int64_t>(all.size())});
      if (more.empty()) return all;
      all.insert(all.end(), more.begin(), more.end());
    }
  }
  void watch_frames() {
    world.on_frame([this](const sim::ReadFrame& frame) {
      frames.push_back(wording_.of(frame));
      if (on_frame) on_frame(frames.back());
    });
  }

  std::map<std::string, Result<Receipt>> outcomes;
  std::vector<std::string> frames;
  std::function<void(const std::string&)> on_frame;

 private:
  sim::Process* process_ = nullptr;
  std::shared_ptr<client::IntakeTopic> topic_;
  Wording wording_;
};

// Two records are delayed on a connection that the client gives up. Sent again, the first is
// refused until its time is up, and the second because the first is missing. Then the bytes of the
// old connection arrive.
TEST_F(LateRequests, of_a_given_up_connection_are_not_stored_twice) {
  ProducerOptions options;
  options.request_timeout = 5s;
  options.delivery_timeout = 12s;
  start(options);
  watch_frames();
  // The next record needs a segment of its own, for which there is no space.
  const std::string before(900, 'x');
  send_and_wait(before);
  world.network().hold_back("client", "node");
  world.machine("node").disk().set_full(true);
  send("first");
  world.run_for(4s);
  send("second");
  ASSERT_TRUE(world.run_until([&] { return is_told("first"); }, 20s));
  EXPECT_FALSE(outcomes.at("first").has_value());
  world.machine("node").disk().set_full(false);
  on_frame = [this](const std::string& line) {
    if (line.find("OUT_OF_ORDER") != line.npos) world.network().heal_all();
  };
  ASSERT_TRUE(world.run_until([&] { return is_told("second"); }, 10s));
  world.network().heal_all();
  world.run_for(1s);
  send_and_wait("after");
  EXPECT_TRUE(outcomes.at("second").has_value());
  EXPECT_THAT(all_values("orders"), testing::ElementsAre(before, "first", "second", "after"));
}

}  // namespace
}  // namespace dohle::simulation
