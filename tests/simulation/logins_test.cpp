// The real client logs in to the real node, by each mechanism, while the connection is reset at
// each step of the login and of its renewal (KIP-368). No reset may look like a refused login, and
// requests are answered again soon. Then the user is deleted, and is refused with the reason once
// its session ends. After the user was added again, its requests are answered.
//   logins_test [--must-find WORDS]    with --must-find it succeeds as soon as a case complains in
//   these words
#include <memory>
#include <string>
#include <vector>

#include "simulation/asking.hpp"
#include "simulation/complaints.hpp"
#include "simulation/play_cases.hpp"
#include "unit/client/scripted_cluster.hpp"
#include "unit/node/door/login_world.hpp"

namespace dohle::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds session = 5s;
/// Until a further connection after a cut has logged in, and until a refused login is repeated.
constexpr Duration grace = 2s, longest_refusal = 12s;
/// SASL requests of two logins and two renewals by SCRAM.
constexpr int steps = 12;

struct Case {
  SaslMechanism mechanism;
  /// The connection is reset after the node has read the SASL request of this number.
  int step;
  Duration later;
};

class LoginsUnderCuts final : public node::LoginWorld {
 public:
  explicit LoginsUnderCuts(const Case& played) : case_(played) {
    settings.security.max_reauth = session;
  }
  void TestBody() override {}

  const Complaints& play() {
    start();
    world.run_for(3 * session + grace);
    if (sasl_requests_ < case_.step) complain("the connection was not cut");
    if (app().refusals() > 0) complain("a cut looks like a refused login");
    must_be_served("after a cut");
    if (case_.mechanism != SaslMechanism::plain) delete_and_create();
    return complaints_;
  }

 private:
  [[nodiscard]] bool is_sha256() const { return case_.mechanism == SaslMechanism::scram_sha_256; }
  [[nodiscard]] auth::Digest digest() const { return auth::digest_of(case_.mechanism); }
  [[nodiscard]] std::string name() const {
    return case_.mechanism == SaslMechanism::plain ? "alice" : is_sha256() ? "bob" : "carol";
  }
  [[nodiscard]] std::string_view password() const {
    return case_.mechanism == SaslMechanism::plain ? alice_password
           : is_sha256()                           ? bob_password
                                                   : carol_password;
  }

  void start() {
    (void)node();
    world.on_frame([this](const sim::ReadFrame& frame) {
      if (!frame.is_read_by_dialer && frame.dialer == "app") note_request(frame.bytes);
    });
    client::Cluster::Options options;
    options.bootstrap = {{"node", node::login_port}};
    options.link.protocol.client_id = "app";
    options.sasl = SaslOptions{case_.mechanism, name(), Secret(password())};
    app_ = &world.machine("app").start("app", [options](sim::Process& self) {
      return std::make_shared<Asking>(self,
                                      std::make_shared<client::SimulatedClient>(self, options));
    });
  }
  void note_request(const Slice& bytes) {
    if (bytes.size() < 2) return;
    const int key =
        std::to_integer<int>(bytes.data()[0]) << 8 | std::to_integer<int>(bytes.data()[1]);
    const bool is_sasl = key == static_cast<int>(wire::ApiKey::sasl_handshake) ||
                         key == static_cast<int>(wire::ApiKey::sasl_authenticate);
    if (!is_sasl || ++sasl_requests_ != case_.step) return;
    world.after(case_.later, [this] { (void)world.network().reset("app", "node"); });
  }

  void delete_and_create() {
    wire::AlterUserScramCredentialsRequest remove, add;
    remove.deletions = {deletion(name(), digest())};
    add.upsertions = {upsertion(name(), password(), digest())};
    change(remove, "first");
    world.run_for(session + grace);
    const int before = app().answers();
    world.run_for(session);
    if (app().answers() > before) complain("a deleted user is served after its session");
    if (app().refusals() == 0) complain("a deleted user is not told that its login is refused");
    change(add, "second");
    world.run_for(longest_refusal);
    must_be_served("once the user is there again");
  }
  /// Sends a change as alice, from another machine.
  void change(const wire::AlterUserScramCredentialsRequest& request, std::string_view from) {
    const bool is_in = log_in_plain("alice", alice_password, from).error_code == 0;
    const auto answer = is_in ? ask(request, 0, from) : decltype(ask(request, 0, from)){};
    if (answer.results.size() != 1 || answer.results[0].error_code != 0) {
      complain("a change of users failed");
    }
  }

  void must_be_served(const std::string& when) {
    if (app().answered_at() + grace < world.now()) complain("no request is answered " + when);
  }
  void complain(const std::string& what) {
    complaints_.add(std::string(to_string(case_.mechanism)) + ", cut at SASL request " +
                    std::to_string(case_.step) + ": " + what);
  }
  Asking& app() { return *app_->running_as<Asking>(); }

  const Case case_;
  Complaints complaints_;
  sim::Process* app_ = nullptr;
  int sasl_requests_ = 0;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto mechanism :
       {SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512, SaslMechanism::plain}) {
    // PLAIN has one message where SCRAM has two.
    const int last = mechanism == SaslMechanism::plain ? steps * 2 / 3 : steps;
    for (int step = 1; step <= last; ++step) {
      for (const Duration later : {Duration(0), Duration(1ms)}) {
        cases.push_back({mechanism, step, later});
      }
    }
  }
  return cases;
}

}  // namespace
}  // namespace dohle::simulation

int main(int argc, char** argv) {
  using namespace dohle::simulation;
  return play_cases(argc, argv, all_cases(), [](const Case& each) {
    LoginsUnderCuts played(each);
    return played.play();
  });
}
