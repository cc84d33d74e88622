// The real client at the real node over TLS, whose handshakes take several round trips and steps of
// workers, while a fault hits the connection at each step: it is reset, its bytes end or stop, or
// one of them is changed, on either side. Then requests are answered again soon, only changed bytes
// may look like a refusal, every request gets one outcome and the right principal, and nothing is
// left of the connection. A plain listener is reported as such at the second connection, and no
// fault is.
//   tls_links_test [--must-find WORDS]    with --must-find it succeeds as soon as a case complains
//   in these words
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/limits.hpp"
#include "simulation/asking.hpp"
#include "simulation/complaints.hpp"
#include "simulation/play_cases.hpp"
#include "simulation/tls_links.hpp"
#include "unit/client/scripted_cluster.hpp"
#include "unit/node/door/login_world.hpp"

namespace dohle::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t plain_port = 9092, tls_port = 9094;
constexpr std::chrono::milliseconds session = 3s;
constexpr std::chrono::milliseconds connect_timeout = 2s;
constexpr Duration request_timeout = 2s;
/// Until a further connection has opened and logged in.
constexpr Duration grace = 2s;

/// How a client gets in.
enum class Way : std::uint8_t {
  certificate_1_2,    ///< with a certificate, over TLS 1.2
  certificate_retry,  ///< the same over TLS 1.3, whose key exchange begins twice
  login,              ///< by SCRAM over TLS 1.3
};
constexpr Way ways[] = {Way::certificate_1_2, Way::certificate_retry, Way::login};
constexpr const char* way_names[] = {"certificate over TLS 1.2", "certificate over TLS 1.3",
                                     "login over TLS 1.3"};
constexpr const char* harm_names[] = {"reset", "resets", "end", "silence", "damage"};

struct Case {
  Way way;
  bool is_of_node;  // whose received bytes are counted
  Harm harm;
  int step;
};

const Certificates& certificates() {
  static const Certificates made;
  return made;
}

net::TlsContext node_context(Way way) {
  TlsServerOptions options{.identity = certificates().identity("node")};
  if (way != Way::login) {
    options.client_certificates = ClientCertificates::required;
    options.trust = certificates().trust();
  }
  if (way == Way::certificate_1_2) options.parameters.max_version = TlsVersion::tls_1_2;
  if (way == Way::certificate_retry) options.parameters.groups = "P-256";
  return net::TlsContext::server(options).value();
}

net::TlsContext client_context() {
  return net::TlsContext::client(
             {.trust = certificates().trust(), .identity = certificates().identity("app")})
      .value();
}

/// The client's process.
struct Application {
  Application(sim::Process& self, const client::Cluster::Options& options,
              const std::shared_ptr<PlannedHarm>& planned)
      : dialer(self, client_context()) {
    dialer.planned = planned;
    asking.emplace(self, std::make_shared<client::SimulatedClient>(self, dialer, options));
  }
  TlsLinkDialer dialer;
  std::optional<Asking> asking;
};

class LinksUnderHarm final : public node::LoginWorld {
 public:
  explicit LinksUnderHarm(const Case& played) : case_(played) {
    settings.security.max_reauth = session;
  }
  void TestBody() override {}

  void play() {
    start();
    const bool is_done =
        world.run_until([&] { return planned_->at.has_value(); }, 2 * session + grace);
    if (!is_done) return complain("the connection has no such step");
    if (case_.harm == Harm::resets) reset_again();
    world.run_for(longest());
    if (app().answered_at() + grace < world.now()) complain("no request is answered afterwards");
    if (case_.harm != Harm::damage && app().refusals() > 0) complain("harm looks like a refusal");
    check_principals();
    check_held_hellos();
    end();
  }
  [[nodiscard]] const Complaints& complaints() const { return complaints_; }

 private:
  [[nodiscard]] Duration longest() const {
    // A refused handshake is repeated after a second.
    const Duration until_noted = case_.harm == Harm::silence  ? connect_timeout + request_timeout
                                 : case_.harm == Harm::damage ? Duration(1s)
                                                              : Duration(0);
    return until_noted + grace;
  }

  void start() {
    planned_ = std::make_shared<PlannedHarm>(PlannedHarm{
        case_.harm, case_.step,
        [this] { world.after({}, [this] { (void)world.network().reset("app", "node"); }); }});
    listen_further = [this](sim::Process& self, node::NodeEngine& engine) {
      auto listening = std::make_shared<TlsLinkListening>(self, node_context(case_.way));
      if (case_.is_of_node) listening->planned = planned_;
      const bool has_login = case_.way == Way::login;
      const auto at = engine.listen(
          *listening,
          {"tls",
           {"0.0.0.0", tls_port},
           {"node", 0},
           has_login ? SecurityProtocol::sasl_ssl : SecurityProtocol::ssl,
           has_login ? std::nullopt : std::optional(*node::PrincipalRules::parse("DEFAULT"))});
      if (!at) complain(at.error().to_string());
      listening_ = listening.get();
      return listening;
    };
    (void)node();
    client::Cluster::Options options;
    options.bootstrap = {{"node", tls_port}};
    auto& protocol = options.link.protocol;
    protocol.client_id = "app";
    protocol.connect_timeout = connect_timeout;
    protocol.request_timeout = request_timeout;
    protocol.is_over_tls = true;
    if (case_.way == Way::login) {
      options.sasl = SaslOptions{SaslMechanism::scram_sha_256, "bob", Secret(bob_password)};
    }
    app_ = &world.machine("app").start("app", [this, options](sim::Process& self) {
      return std::make_shared<Application>(self, options, case_.is_of_node ? nullptr : planned_);
    });
  }

  void reset_again() {
    const int before = listening_->accepted();
    const bool is_next = world.run_until([&] { return listening_->accepted() > before; }, grace);
    if (!is_next) complain("there is no next connection");
    world.run_for(net::HelloDoubts::pause / 2);
    (void)world.network().reset("app", "node");
  }
  /// A connection that is reset once the node has read its first bytes ends unanswered. So does one
  /// that is reset while it holds them.
  void check_held_hellos() {
    const bool is_unanswered = case_.is_of_node && case_.step == 1;
    const std::size_t held = case_.harm == Harm::resets ? 2 : case_.harm == Harm::reset ? 1 : 0;
    const auto& dialed = app_->running_as<Application>()->dialer.dialed;
    for (std::size_t i = 0; is_unanswered && i < held; ++i) {
      if (dialed.size() <= i + 1 || !dialed[i + 1].holds_hello) {
        complain("connection " + std::to_string(i + 2) + " does not hold its first bytes");
      }
    }
  }
  void check_principals() {
    const std::string who =
        "User:" + (case_.way == Way::login ? "bob" : Certificates::written("app")) + " at ";
    std::size_t requests = 0;
    for (const std::string& line : logger.lines) {
      if (!line.contains(" sends DescribeConfigs ")) continue;
      ++requests;
      if (!line.contains(who)) return complain("a request has another principal: " + line);
    }
    if (requests == 0) complain("no request is logged with its principal");
  }
  /// Every request has its outcome, and the node has no rest of the client.
  void end() {
    app().stop();
    world.run_for(connect_timeout + request_timeout);
    const int outcomes = app().answers() + app().refusals() + app().other_errors();
    if (outcomes != app().asked()) {
      complain(std::to_string(app().asked()) + " requests have " + std::to_string(outcomes) +
               " outcomes");
    }
    app_->kill();
    // A silent connection is closed once it has been idle for long.
    world.run_for(case_.harm == Harm::silence ? Duration(node::limits::connection_idle_timeout) + 1s
                                              : Duration(1s));
    const std::size_t left = running().engine.part<node::Sessions>().all().size();
    if (left > 0) complain(std::to_string(left) + " sessions are left");
    if (listening_->stepping() > 0) complain("a handshake takes a turn without a connection");
  }

  void complain(const std::string& what) {
    complaints_.add(std::string(way_names[static_cast<int>(case_.way)]) + ", " +
                    harm_names[static_cast<int>(case_.harm)] + " at step " +
                    std::to_string(case_.step) + (case_.is_of_node ? " of the node: " : ": ") +
                    what);
  }
  Asking& app() { return *app_->running_as<Application>()->asking; }

  const Case case_;
  Complaints complaints_;
  std::shared_ptr<PlannedHarm> planned_;
  TlsLinkListening* listening_ = nullptr;
  sim::Process* app_ = nullptr;
};

/// A client with TLS at the node's plain listener.
class PlainListener final : public node::LoginWorld {
 public:
  void TestBody() override {}

  [[nodiscard]] Complaints play() {
    Complaints complaints;
    (void)node();
    client::Cluster::Options options;
    options.bootstrap = {{"node", plain_port}};
    options.link.protocol.client_id = "app";
    options.link.protocol.is_over_tls = true;
    auto& app = world.machine("app").start("app", [&](sim::Process& self) {
      return std::make_shared<Application>(self, options, nullptr);
    });
    const auto asking = [&]() -> Asking& { return *app.running_as<Application>()->asking; };
    const bool is_refused = world.run_until(
        [&] {
          const auto application = app.running_as<Application>();
          return application && application->asking && asking().refusals() > 0;
        },
        grace);
    if (!is_refused) complaints.add("a plain listener is not noticed");
    if (!asking().refusal().contains("the server speaks no TLS")) {
      complaints.add("a plain listener is reported as: " + asking().refusal());
    }
    const auto& dialed = app.running_as<Application>()->dialer.dialed;
    if (dialed.size() != 2) {
      complaints.add("a plain listener is noticed at connection " + std::to_string(dialed.size()));
    }
    if (asking().answers() > 0) complaints.add("a plain listener answers a client with TLS");
    return complaints;
  }
};

/// Steps until a client has connected, logged in twice, and got a few answers.
constexpr int last_step(Way way) {
  return way == Way::login ? 24 : 14;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const Way way : ways) {
    for (const bool is_of_node : {false, true}) {
      for (const Harm harm : {Harm::reset, Harm::end, Harm::silence, Harm::damage}) {
        for (int step = 1; step <= last_step(way); ++step) {
          cases.push_back({way, is_of_node, harm, step});
        }
      }
    }
    cases.push_back({way, true, Harm::resets, 1});
  }
  return cases;
}

}  // namespace
}  // namespace dohle::simulation

int main(int argc, char** argv) {
  using namespace dohle::simulation;
  std::vector<std::function<Complaints()>> plays;
  for (const Case& each : all_cases()) {
    plays.emplace_back([each] {
      LinksUnderHarm played(each);
      played.play();
      return played.complaints();
    });
  }
  plays.emplace_back([] { return PlainListener().play(); });
  return play_cases(argc, argv, plays, [](const auto& play) { return play(); });
}
