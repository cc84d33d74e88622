#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/sasl.hpp"
#include "dohle/security_protocol.hpp"
#include "dohle/tls.hpp"
#include "unit/net/tls/made_certificates.hpp"

// The security matrix: how client and server react to each mistake and attack, by each mechanism,
// with and without TLS. The cells are in security_matrix.cpp; a program has one server for all of
// them.
namespace dohle {

inline constexpr std::string_view matrix_user = "alice";
inline constexpr std::string_view matrix_password = "pencil-of-alice";

/// "none" or the mechanism, for names of tests.
[[nodiscard]] std::string matrix_title_of(std::optional<SaslMechanism> mechanism);

/// A listener of the server.
struct MatrixListener {
  std::string_view name;
  SecurityProtocol protocol = SecurityProtocol::plaintext;
  std::vector<SaslMechanism> mechanisms = {};
  bool is_expired = false;
  bool has_only_tls_1_3 = false;
  bool requires_certificates = false;
};
[[nodiscard]] const std::vector<MatrixListener>& matrix_listeners();
[[nodiscard]] inline bool has_tls(const MatrixListener& listener) {
  return listener.protocol == SecurityProtocol::ssl ||
         listener.protocol == SecurityProtocol::sasl_ssl;
}

/// Certificates of the server and its clients, made for the run.
struct MatrixCertificates {
  net::Made authority = net::make({.name = "authority", .is_authority = true});
  net::Made stranger = net::make({.name = "stranger", .is_authority = true});
  net::Made server = net::make({.alternatives = "DNS:localhost", .issuer = &authority});
  net::Made expired_server = net::make({.alternatives = "DNS:localhost",
                                        .issuer = &authority,
                                        .begins_in = -86'400,
                                        .ends_in = -3600});
};

/// A server with all listeners. Its user may log in by each mechanism that a listener has.
class MatrixServer {
 public:
  virtual ~MatrixServer() = default;
  /// The listener's port at 127.0.0.1.
  [[nodiscard]] virtual std::uint16_t port(std::string_view listener) const = 0;
  /// The plaintext listener of the same server, at which its state is read.
  [[nodiscard]] virtual std::uint16_t open_port(std::string_view listener) const = 0;
};
/// Each program of the matrix has its own.
[[nodiscard]] std::unique_ptr<MatrixServer> start_matrix_server(const MatrixCertificates& made);

}  // namespace dohle
