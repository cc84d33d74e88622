// The security matrix on one Apache Kafka 4.3.1.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "integration/apache_kafka_server.hpp"
#include "scratch_directory.hpp"
#include "security_matrix.hpp"

namespace dohle {
namespace {

bool is_free(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  ::close(socket);
  return is_bound;
}

// Below the kernel's range for outgoing connections, where scripts/apache-kafka looks, too.
std::uint16_t free_port(std::set<std::uint16_t>& taken) {
  std::random_device random;
  for (;;) {
    const auto port = static_cast<std::uint16_t>(10'000 + random() % 20'000);
    if (is_free(port) && taken.insert(port).second) return port;
  }
}

class ApacheKafka final : public MatrixServer {
 public:
  explicit ApacheKafka(const MatrixCertificates& made) {
    files_.write("ca.pem", made.authority.certificate_pem());
    files_.write("server.pem", made.server.key_pem() + made.server.certificate_pem());
    files_.write("expired.pem",
                 made.expired_server.key_pem() + made.expired_server.certificate_pem());
    std::set<std::uint16_t> taken;
    for (const MatrixListener& each : matrix_listeners()) ports_[each.name] = free_port(taken);
    server_ = std::make_unique<ApacheKafkaServer>(options(free_port(taken)));
  }
  [[nodiscard]] std::uint16_t port(std::string_view listener) const override {
    return ports_.at(listener);
  }
  [[nodiscard]] std::uint16_t open_port(std::string_view /*listener*/) const override {
    return ports_.at("open");
  }

 private:
  [[nodiscard]] std::string file(const std::string& name) const { return (files_ / name).string(); }
  [[nodiscard]] std::string options(std::uint16_t controller) const {
    std::string listeners, advertised, protocols, own;
    for (const MatrixListener& each : matrix_listeners()) {
      const std::string name = name_of(each), port = ":" + std::to_string(ports_.at(each.name));
      listeners += name + "://127.0.0.1" + port + ",";
      advertised += (advertised.empty() ? "" : ",") + name + "://localhost" + port;
      protocols += "," + name + ":" + std::string(to_string(each.protocol));
      own += own_options(each);
    }
    const std::string controller_at = "CONTROLLER://127.0.0.1:" + std::to_string(controller);
    return "--port " + std::to_string(ports_.at("open")) + " --controller-port " +
           std::to_string(controller) + " --sasl '" + std::string(matrix_user) + "=" +
           std::string(matrix_password) + "'" + option("listeners", listeners + controller_at) +
           option("advertised.listeners", advertised) +
           option("listener.security.protocol.map", "CONTROLLER:PLAINTEXT" + protocols) +
           option("inter.broker.listener.name", "PLAINTEXT") + option("num.network.threads", "1") +
           own;
  }

  [[nodiscard]] std::string own_options(const MatrixListener& listener) const {
    const std::string prefix = "listener.name." + std::string(listener.name) + ".";
    std::string own;
    if (has_tls(listener)) {
      const std::string key_store = file(listener.is_expired ? "expired.pem" : "server.pem");
      own += option(prefix + "ssl.keystore.type", "PEM") +
             option(prefix + "ssl.keystore.location", key_store);
      if (listener.has_only_tls_1_3) own += option(prefix + "ssl.enabled.protocols", "TLSv1.3");
    }
    if (listener.requires_certificates) {
      own += option(prefix + "ssl.client.auth", "required") +
             option(prefix + "ssl.truststore.type", "PEM") +
             option(prefix + "ssl.truststore.location", file("ca.pem"));
    }
    std::string mechanisms;
    for (const SaslMechanism each : listener.mechanisms) {
      mechanisms += (mechanisms.empty() ? "" : ",") + std::string(to_string(each));
      own += option(prefix + login_module_key(each), login_module_of(each));
    }
    if (!mechanisms.empty()) own += option(prefix + "sasl.enabled.mechanisms", mechanisms);
    return own;
  }

  static std::string option(const std::string& key, const std::string& value) {
    return " -o '" + key + "=" + value + "'";
  }
  // The names of listeners' options are in lower case.
  static std::string name_of(const MatrixListener& listener) {
    if (listener.name == "open") return "PLAINTEXT";
    std::string name;
    for (const char c : listener.name) name += static_cast<char>(std::toupper(c));
    return name;
  }
  static std::string login_module_key(SaslMechanism mechanism) {
    return mechanism == SaslMechanism::plain           ? "plain.sasl.jaas.config"
           : mechanism == SaslMechanism::scram_sha_256 ? "scram-sha-256.sasl.jaas.config"
                                                       : "scram-sha-512.sasl.jaas.config";
  }
  static std::string login_module_of(SaslMechanism mechanism) {
    const std::string modules = "org.apache.kafka.common.security.";
    if (mechanism != SaslMechanism::plain) return modules + "scram.ScramLoginModule required;";
    return modules + "plain.PlainLoginModule required user_" + std::string(matrix_user) + "=\"" +
           std::string(matrix_password) + "\";";
  }

  const ScratchDirectory files_;
  std::map<std::string_view, std::uint16_t> ports_;
  std::unique_ptr<ApacheKafkaServer> server_;
};

}  // namespace

std::unique_ptr<MatrixServer> start_matrix_server(const MatrixCertificates& made) {
  return std::make_unique<ApacheKafka>(made);
}

}  // namespace dohle
