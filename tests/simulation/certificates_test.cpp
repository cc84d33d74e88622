// The node's certificate is replaced under load, as SIGHUP does: a producer writes over TLS, and
// connections are reset now and then, some of them during a handshake. Open connections stay, and
// a connection that is dialed after a change meets the new certificate. A change that fails changes
// nothing. No record fails or is stored twice.
//   certificates_test [FIRST LAST]         seeds 1 to 30
//   certificates_test --must-find WORDS    succeeds as soon as a seed complains in these words
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/produce/record_sender.hpp"
#include "simulation/complaints.hpp"
#include "simulation/play_cases.hpp"
#include "simulation/tls_links.hpp"
#include "unit/client/scripted_cluster.hpp"
#include "unit/node/node_world.hpp"

namespace dohle::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t tls_port = 9094;
constexpr int changes_per_seed = 12;
/// A connection that was dialed at a change may have been accepted before or after it.
constexpr Duration handshake_time = 2s;

const Certificates& certificates() {
  static const Certificates made;
  return made;
}

Result<net::TlsContext> node_context(TlsIdentity identity) {
  return net::TlsContext::server({.identity = std::move(identity),
                                  .client_certificates = ClientCertificates::required,
                                  .trust = certificates().trust()});
}

/// Sends the numbers from 0 on, one every 10 ms.
class Load {
 public:
  Load(sim::Process& self, const client::Cluster::Options& options, Complaints& complaints)
      : dialer(self, net::TlsContext::client({.trust = certificates().trust(),
                                              .identity = certificates().identity("app")})
                         .value()),
        self_(self),
        complaints_(complaints),
        record_sender_(std::make_shared<client::RecordSender>(
            std::make_shared<client::SimulatedClient>(self, dialer, options), ProducerOptions{})) {
    record_sender_->start();
    record_sender_->find_topic("orders", self_.clock().mono() + 20s,
                               [this](Result<std::shared_ptr<client::IntakeTopic>> found) {
                                 if (!found) return complaints_.add(found.error().to_string());
                                 topic_ = *found;
                                 self_.executor().post([this] { send(); });
                               });
  }
  void stop() { is_stopped_ = true; }
  [[nodiscard]] std::size_t sent() const { return sent_; }
  [[nodiscard]] std::size_t settled() const { return settled_; }

  TlsLinkDialer dialer;

 private:
  void send() {
    if (is_stopped_) return;
    auto& to = *topic_->table().all.at(0);
    const std::string value = std::to_string(sent_++);
    DeliveryCallback callback = [this](Result<Receipt> outcome) {
      ++settled_;
      if (!outcome) complaints_.add("a record fails: " + outcome.error().to_string());
    };
    const auto place = to.queue.append({.value = as_bytes(value)}, {.callback = &callback});
    if (place.appended != client::PartitionQueue::Appended::ok) complaints_.add("not appended");
    if (place.wake) record_sender_->wake(to);
    self_.executor().arm(self_.clock().mono() + 10ms, [this] { send(); });
  }

  sim::Process& self_;
  Complaints& complaints_;
  std::shared_ptr<client::RecordSender> record_sender_;
  std::shared_ptr<client::IntakeTopic> topic_;
  bool is_stopped_ = false;
  std::size_t sent_ = 0;
  std::size_t settled_ = 0;
};

class ReplacedCertificates final : public node::NodeWorld {
 public:
  explicit ReplacedCertificates(std::uint64_t seed) : random_(seed) {}
  void TestBody() override {}

  const Complaints& play() {
    start();
    for (int i = 0; i < changes_per_seed; ++i) {
      const bool is_disturbed = random_.below(2) == 0;
      // Otherwise connections that were reset before have been dialed again.
      is_disturbed ? disturb() : world.run_for(3s);
      change();
      // A reset may meet a handshake, which began before the change.
      if (is_disturbed && random_.below(2) == 0) disturb();
      world.run_for(std::chrono::milliseconds(100 + random_.below(900)));
      check_certificates();
      if (!is_disturbed) check_that_connections_stay();
    }
    end();
    return complaints_;
  }

 private:
  struct Change {
    TimePoint at;
    std::string name;
  };

  void start() {
    listen_further = [this](sim::Process& self, node::NodeEngine& engine) {
      auto listening = std::make_shared<TlsLinkListening>(
          self, node_context(certificates().identity(next_name())).value());
      const auto at = engine.listen(*listening, {"tls",
                                                 {"0.0.0.0", tls_port},
                                                 {"node", 0},
                                                 SecurityProtocol::ssl,
                                                 *node::PrincipalRules::parse("DEFAULT")});
      if (!at) complaints_.add(at.error().to_string());
      listening_ = listening.get();
      return listening;
    };
    (void)create("orders");
    client::Cluster::Options options;
    options.bootstrap = {{"node", tls_port}};
    auto& protocol = options.link.protocol;
    protocol.client_id = "app";
    protocol.is_over_tls = true;
    app_ = &world.machine("app").start("app", [this, options](sim::Process& self) {
      return std::make_shared<Load>(self, options, complaints_);
    });
    world.run_for(1s);
  }
  std::string next_name() {
    changes_.push_back({world.now(), "node " + std::to_string(changes_.size())});
    return changes_.back().name;
  }

  void disturb() {
    (void)world.network().reset("app", "node");
    // The next connection is dialed within 100 ms.
    world.run_for(Duration(static_cast<Duration::rep>(random_.below(120'000'000))));
  }
  void change() {
    connections_before_ = listening_->accepted();
    if (random_.below(3) == 0) return fail_to_change();
    listening_->use(node_context(certificates().identity(next_name())).value());
  }
  void fail_to_change() {
    TlsIdentity mixed = certificates().identity("mixed");
    mixed.key_pem = certificates().identity("other").key_pem;
    if (auto made = node_context(std::move(mixed))) {
      complaints_.add("a certificate is taken with the key of another one");
      listening_->use(*std::move(made));
    }
  }

  void check_certificates() {
    for (const TlsLinkDialer::Dialed& each : load().dialer.dialed) {
      const std::optional<std::string> found = each.session->peer_principal();
      if (!found) continue;
      ++seen_;
      bool is_right = false;
      for (std::size_t i = 0; i < changes_.size(); ++i) {
        const bool is_over = i + 1 < changes_.size() && changes_[i + 1].at < each.at;
        const bool is_later = changes_[i].at > each.at + handshake_time;
        if (is_over || is_later) continue;
        is_right = is_right || found == Certificates::written(changes_[i].name);
      }
      if (!is_right) complaints_.add("a new connection has the certificate of " + *found);
    }
  }
  void check_that_connections_stay() {
    if (listening_->accepted() > connections_before_) {
      complaints_.add("a change of the certificate makes clients connect again");
    }
  }

  void end() {
    load().stop();
    world.run_for(5s);
    if (load().settled() != load().sent()) {
      complaints_.add(std::to_string(load().sent() - load().settled()) + " records are unsettled");
    }
    if (seen_ == 0 || load().sent() < 100) complaints_.add("there was no load");
    std::vector<std::string> sent;
    for (std::size_t i = 0; i < load().sent(); ++i) sent.push_back(std::to_string(i));
    app_->kill();
    if (values("orders") != sent)
      complaints_.add("the log has not the sent records, once, in order");
  }

  Load& load() { return *app_->running_as<Load>(); }

  SeededRandom random_;
  Complaints complaints_;
  std::vector<Change> changes_;
  TlsLinkListening* listening_ = nullptr;
  sim::Process* app_ = nullptr;
  int connections_before_ = 0;
  std::size_t seen_ = 0;
};

}  // namespace
}  // namespace dohle::simulation

int main(int argc, char** argv) {
  using namespace dohle::simulation;
  const bool has_range = argc == 3 && std::string_view(argv[1]) != "--must-find";
  std::vector<std::uint64_t> seeds;
  const std::uint64_t last = has_range ? std::strtoull(argv[2], nullptr, 10) : 30;
  for (auto seed = has_range ? std::strtoull(argv[1], nullptr, 10) : 1; seed <= last; ++seed) {
    seeds.push_back(seed);
  }
  return play_cases(has_range ? 1 : argc, argv, seeds, [](std::uint64_t seed) {
    ReplacedCertificates played(seed);
    Complaints found = played.play();
    if (found.count() > 0) std::printf("seed %llu:\n", static_cast<unsigned long long>(seed));
    return found;
  });
}
