// TLS with a login by SCRAM: a node inside the program, with one listener of SASL_SSL, and a broker
// that reaches it over TCP. The program `openssl` creates the certificate, and clients trust this
// certificate itself. In production a CA issues the certificate, and the users are those of your
// servers.
//
// It prints:
//
//   one more order of tea, from alice
//   with a wrong password: refused in the login
//   without the certificate: refused in the handshake
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <string>

#include <dohle/kafka.hpp>
#include <dohle/node.hpp>

#include "checked.hpp"

using namespace std::chrono_literals;
namespace kafka = dohle::kafka;

namespace {

/// A folder for the certificate, its key and the users, removed at the end.
struct Folder {
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tls-scram-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::exit(1);
    path = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path / name).string(); }

  std::filesystem::path path;
};

void make_certificate(const Folder& files) {
  const std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=node"
      " -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
      " -keyout '" +
      files.file("node.key") + "' -out '" + files.file("node.pem") + "' 2>/dev/null";
  if (std::system(command.c_str()) != 0) {
    std::cerr << "openssl made no certificate\n";
    std::exit(1);
  }
}

dohle::Node start_node(const Folder& files, const std::string& password) {
  // The line checks the password without holding it. The node reads it at its first start only.
  std::ofstream(files.file("users"))
      << checked(dohle::hash_user({.name = "alice", .password = dohle::Secret(password)})) << '\n';
  return checked(dohle::Node::start(
      {.listeners =
           {{.name = "outside",
             .address = "127.0.0.1:0",
             .protocol = dohle::SecurityProtocol::sasl_ssl,
             .tls = dohle::TlsServerOptions{.identity = {.certificate_file = files.file("node.pem"),
                                                         .key_file = files.file("node.key")}}}},
       .sasl = {.scram_user_file = files.file("users")},
       .logger = dohle::silent_logger()}));  // it would log who was refused, and why
}

}  // namespace

int main() {
  ::umask(077);  // others must not read the key and the users
  const std::string password = "a password of alice";
  const Folder files;
  make_certificate(files);
  const dohle::Node node = start_node(files, password);

  const dohle::TlsOptions tls{.trust = {.ca_file = files.file("node.pem")}};
  auto broker = checked(kafka::new_broker(
      dohle::with_address(node.address()), dohle::with_tls(tls),
      kafka::with_scram_mechanism(kafka::ScramAlgorithm::sha512, "alice", password)));
  check(broker.connect());
  check(kafka::create_topic(broker, "orders", 1, 1));
  std::promise<std::string> order;
  const auto reading = checked(broker.subscribe<std::string>(
      "orders", [&](const std::string& text) { order.set_value(text); },
      kafka::with_start_offset(dohle::StartOffset::first())));
  checked(broker.publish("orders", "one more order of tea, from alice"));
  std::cout << order.get_future().get() << '\n';

  // The same options by the names of Kafka's own clients, with a wrong password.
  auto guess =
      checked(kafka::new_broker(kafka::with_properties({{"bootstrap.servers", node.address()},
                                                        {"security.protocol", "SASL_SSL"},
                                                        {"ssl.ca.location", files.file("node.pem")},
                                                        {"sasl.mechanism", "SCRAM-SHA-512"},
                                                        {"sasl.username", "alice"},
                                                        {"sasl.password", "a guess"}}),
                                kafka::with_enable_error_logger(false)));
  if (const auto refused = guess.connect(); !refused && refused.error().is_auth()) {
    std::cout << "with a wrong password: refused in the login\n";
  }

  // Without its certificate the node is not trusted. The client sends nothing to it, no password.
  auto distrustful = checked(kafka::new_broker(
      dohle::with_address(node.address()), dohle::with_enable_secure(true),
      kafka::with_scram_mechanism(kafka::ScramAlgorithm::sha512, "alice", password),
      kafka::with_enable_error_logger(false)));
  if (const auto refused = distrustful.connect();
      !refused && refused.error().is(dohle::Errc::handshake_failed)) {
    std::cout << "without the certificate: refused in the handshake\n";
  }
  return 0;
}
