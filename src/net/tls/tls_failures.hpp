#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "dohle/error.hpp"
#include "net/tls/openssl_handles.hpp"

namespace dohle::net {

/// The facts about one connection that explain its failure.
struct TlsFacts {
  bool is_server = false;
  bool has_identity = false;
  std::string host;     // the verified name; empty if none is
  std::string refusal;  // why the other side's certificate was refused
  bool was_asked_certificate = false;
  bool is_established = false;                 // the handshake is done on this side
  bool has_read = false;                       // the other side has sent data
  std::array<unsigned char, 8> first_bytes{};  // received ones
  std::size_t first_count = 0;
};

/// Callbacks of contexts. They find the TlsFacts of a connection by SSL_get_app_data.
int note_refusal(int is_accepted, X509_STORE_CTX* chain);
int note_request_for_certificate(SSL* ssl, void* unused);

/// The error for a failed call, from the calling thread's error queue, which is cleared.
[[nodiscard]] Error tls_failure(const TlsFacts& facts);
/// Whether the first bytes that a server's side received are those of a client of Kafka without
/// TLS. OpenSSL sends no alert to it.
[[nodiscard]] bool is_without_tls(const TlsFacts& facts);
/// The error for bytes that ended before TLS said so.
[[nodiscard]] Error tls_ended_early(const TlsFacts& facts);

}  // namespace dohle::net
