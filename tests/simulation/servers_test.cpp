// The real client's producer, consumer, group member and administrator in a cluster of three
// scripted servers, whose leaders and coordinator move: the seed kills or freezes one server after
// the other, and the controller fences it after 9 s. No record may wait much longer than that for
// its acknowledgement, no partition may stay unread or uncommitted and no call unanswered much
// longer, even if the lost server stays away, though a request may take 30 s. The same holds for
// readers that start 1 s after the loss. Calls that any server can answer wait 5 s for a frozen
// one.
//   servers_test [FIRST LAST] [--must-find WORDS]    seeds 1 to 200; --must-find succeeds as soon
//   as one complains in these words
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/produce/record_sender.hpp"
#include "simulation/administering.hpp"
#include "simulation/complaints.hpp"
#include "simulation/reader.hpp"
#include "simulation/scripted_reading.hpp"
#include "unit/client/scripted_cluster.hpp"

namespace dohle::simulation {
namespace {

using namespace std::chrono_literals;

constexpr Duration fencing = 9s;
constexpr std::chrono::milliseconds request_timeout = 30s;
/// Time until the client doubts a server whose answer is overdue.
constexpr Duration patience = 5s;
constexpr Duration connect_timeout = 10s;
/// From the answer that names the new leader to the acknowledgement: metadata is requested once a
/// second, and an earlier request may still be on its way to the old leader.
constexpr Duration grace = 3s;
/// The time until the cluster has recovered from the loss of a server.
constexpr Duration settling = 5s;
constexpr int servers = 3;
constexpr int faults_per_seed = 3;

/// Sends a record every 50 ms and measures the time until its acknowledgement.
class Load {
 public:
  Load(sim::Process& self, std::shared_ptr<client::SimulatedClient> client, Complaints& complaints)
      : self_(self),
        complaints_(complaints),
        random_(self.machine().world().stream("load")),
        sender_(std::make_shared<client::RecordSender>(
            std::move(client), ProducerOptions{.request_timeout = request_timeout})) {
    sender_->start();
    sender_->find_topic("orders", self_.clock().mono() + 20s,
                        [this](Result<std::shared_ptr<client::IntakeTopic>> found) {
                          if (!found) return complaints_.add(found.error().to_string());
                          topic_ = *found;
                          self_.executor().post([this] { send(); });
                        });
  }
  void stop() { is_stopped_ = true; }
  [[nodiscard]] std::size_t unsettled() const { return sent_ - told_; }
  [[nodiscard]] std::size_t told() const { return told_; }
  [[nodiscard]] Duration longest() const { return longest_; }
  void forget_longest() { longest_ = {}; }

 private:
  void send() {
    if (is_stopped_) return;
    const auto& all = topic_->table().all;
    auto& to = *all.at(random_.below(all.size()));
    ++sent_;
    DeliveryCallback callback = [this, at = self_.clock().mono()](Result<Receipt> outcome) {
      ++told_;
      longest_ = std::max<Duration>(longest_, self_.clock().mono() - at);
      if (!outcome) complaints_.add("a record fails: " + outcome.error().to_string());
    };
    const auto place = to.queue.append({.value = as_bytes("x")}, {.callback = &callback});
    if (place.appended != client::PartitionQueue::Appended::ok) complaints_.add("not appended");
    if (place.wake) sender_->wake(to);
    self_.executor().arm(self_.clock().mono() + 50ms, [this] { send(); });
  }

  sim::Process& self_;
  Complaints& complaints_;
  SeededRandom random_;
  std::shared_ptr<client::RecordSender> sender_;
  std::shared_ptr<client::IntakeTopic> topic_;
  bool is_stopped_ = false;
  std::size_t sent_ = 0;
  std::size_t told_ = 0;
  Duration longest_{};
};

class Servers {
 public:
  explicit Servers(std::uint64_t seed) : world_(seed), random_(world_.stream("servers")) {
    client::Cluster::Options options;
    options.link.protocol.client_id = "test";
    options.link.protocol.connect_timeout = connect_timeout;
    for (int id = 1; id <= servers; ++id) {
      const std::string name = name_of(NodeId{id});
      script_.brokers.push_back(NodeId{id});
      script_.leaders.push_back({NodeId{id}, LeaderEpoch{0}});
      options.bootstrap.push_back({name, 9092});
      world_.machine(name).start(name, [this, id](sim::Process& self) {
        return std::make_shared<client::ScriptedBroker>(self, script_, NodeId{id});
      });
    }
    script_.controller = NodeId{1};
    load_ = &world_.machine("client").start("client", [this, options](sim::Process& self) {
      return std::make_shared<Load>(self, std::make_shared<client::SimulatedClient>(self, options),
                                    complaints_);
    });
    for (const bool is_member : {false, true}) {
      ConsumerOptions reading{.offset_reset = OffsetReset::latest, .auto_commit = false};
      if (is_member) reading.group_id = "g";
      reading.request_timeout = request_timeout;
      const std::string name = is_member ? "member" : "consumer";
      readers_.push_back(
          &world_.machine(name).start(name, [this, options, reading](sim::Process& self) {
            return std::make_shared<Reader>(self, options, reading, servers, complaints_);
          }));
    }
    answer_administrators(script_, reading_.coordinator);
    admin_ = &world_.machine("admin").start("admin", [this, options](sim::Process& self) {
      return std::make_shared<Administrator>(self, options, complaints_);
    });
    world_.run_for(2s);
  }
  ~Servers() {
    for (const auto& [name, machine] : world_.machines()) machine->lose_power();
    world_.run_for(1s);
  }

  const Complaints& play() {
    for (int i = 0; i < faults_per_seed; ++i) lose_one();
    load().stop();
    world_.run_for(fencing + settling);
    if (load().told() == 0) complaints_.add("nothing was sent");
    if (load().unsettled() > 0) {
      complaints_.add(std::to_string(load().unsettled()) + " records were never told of");
    }
    return complaints_;
  }

 private:
  static std::string name_of(NodeId id) { return "broker-" + std::to_string(id.value); }
  Load& load() { return *load_->running_as<Load>(); }
  Administrator& admin() { return *admin_->running_as<Administrator>(); }

  void lose_one() {
    const NodeId lost{static_cast<std::int32_t>(1 + random_.below(servers))};
    sim::Process& server = *world_.machine(name_of(lost)).process(name_of(lost));
    const bool is_frozen = random_.below(2) == 0;
    const Duration away = std::chrono::milliseconds(1'000 + random_.below(39'000));
    load().forget_longest();
    for (sim::Process* reader : readers_) reader->running_as<Reader>()->forget_longest();
    admin().forget_longest();
    if (is_frozen) {
      server.pause(away);
    } else {
      server.kill();
    }
    constexpr Duration until_start = 1s;
    world_.run_for(until_start);
    const bool are_new = random_.below(2) == 0;
    for (sim::Process* reader : readers_) {
      if (are_new) reader->restart();
    }
    world_.run_for(std::min(away, fencing) - until_start);
    if (away > fencing) {
      fence(lost);
      world_.run_for(away - fencing);
    }
    if (!is_frozen) server.restart();
    if (std::ranges::find(script_.brokers, lost) == script_.brokers.end()) {
      script_.brokers.push_back(lost);
    }
    world_.run_for(fencing + settling);
    const Duration bound = std::min(away, fencing);
    const auto must_hold = [&](const std::string& what, Duration longest, Duration most) {
      if (longest <= most + grace) return;
      complaints_.add(name_of(lost) + (is_frozen ? " frozen for " : " killed for ") + text(away) +
                      (are_new ? ", readers new: " : ": ") + what + " for " + text(longest));
    };
    must_hold("a record waited", load().longest(), bound);
    for (const auto& [call, is_for_any, longest] : admin().taken()) {
      must_hold(call + " took", longest, is_for_any ? std::min(bound, patience) : bound);
    }
    // A frozen server accepts connections and does not answer. A client that starts then may take
    // up to connect_timeout to detect it.
    const Duration bound_new = is_frozen ? std::max<Duration>(bound, connect_timeout) : bound;
    for (sim::Process* process : readers_) {
      const auto* reader = process->running_as<Reader>();
      must_hold(process->name() + ": a partition gave no records",
                reader->longest_without_records(), are_new ? bound_new : bound);
      must_hold("nothing was committed", reader->longest_without_commit(),
                Reader::commit_every + Reader::poll_every + (are_new ? bound_new : bound));
    }
  }
  static std::string text(Duration span) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(span).count()) +
           " ms";
  }
  void fence(NodeId lost) {
    std::erase(script_.brokers, lost);
    if (script_.controller == lost) script_.controller = another_than(lost);
    if (reading_.coordinator == lost) reading_.coordinator = another_than(lost);
    for (std::size_t partition = 0; partition < script_.leaders.size(); ++partition) {
      if (script_.leaders[partition].node != lost) continue;
      script_.move_leader(partition, another_than(lost));
    }
  }
  NodeId another_than(NodeId lost) {
    const auto further = static_cast<std::int32_t>(random_.below(servers - 1));
    return NodeId{(lost.value + further) % servers + 1};
  }

  Complaints complaints_;
  client::ClusterScript script_;
  sim::World world_;
  SeededRandom random_;
  ScriptedReading reading_{script_, world_, complaints_};
  sim::Process* load_ = nullptr;
  sim::Process* admin_ = nullptr;
  std::vector<sim::Process*> readers_;
};

int run(std::uint64_t first, std::uint64_t last, const std::optional<std::string>& must_find) {
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    Servers cluster(seed);
    const Complaints& found = cluster.play();
    if (found.count() == 0) continue;
    std::printf("seed %llu fails:\n%s", static_cast<unsigned long long>(seed),
                found.text().c_str());
    if (!must_find) return 1;
    if (found.name(*must_find)) return 0;
  }
  if (must_find) {
    std::printf("one seed had to complain: %s\n", must_find->c_str());
    return 1;
  }
  std::printf("%llu seeds pass\n", static_cast<unsigned long long>(last - first + 1));
  return 0;
}

}  // namespace
}  // namespace dohle::simulation

int main(int argc, char** argv) {
  std::optional<std::string> must_find;
  if (argc >= 3 && std::string(argv[argc - 2]) == "--must-find") must_find = argv[argc - 1];
  const bool names_seeds = argc - (must_find ? 2 : 0) == 3;
  const std::uint64_t first = names_seeds ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t last = names_seeds ? std::strtoull(argv[2], nullptr, 10) : 200;
  return dohle::simulation::run(first, last, must_find);
}
