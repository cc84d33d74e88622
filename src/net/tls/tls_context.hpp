#pragma once

#include <memory>
#include <string>

#include "dohle/error.hpp"
#include "dohle/tls.hpp"

namespace dohle::net {

/// Certificates, keys and rules of connections, read and checked once. Immutable and shared: copies
/// are cheap, and each connection keeps the context with which it began. To reload changed files,
/// make a new context and use it for new connections; if that fails, the old one stays valid.
///
/// Thread safety: any thread.
class TlsContext {
 public:
  /// Reads files, so it may block. Errors: configuration, with the file or field and its fault: a
  /// missing file, a wrong passphrase, a key that does not fit the certificate, PEM of another
  /// kind, a Java key store, PKCS#12 that needs the legacy provider, unknown algorithms.
  [[nodiscard]] static Result<TlsContext> client(const TlsOptions& options);
  /// See client.
  [[nodiscard]] static Result<TlsContext> server(const TlsServerOptions& options);

  [[nodiscard]] bool is_server() const;
  /// For the log: that other users may read a key, with the file and its mode. Empty if not.
  [[nodiscard]] const std::string& warning() const;

  /// Defined inside the room only.
  struct State;
  [[nodiscard]] const State& state() const { return *state_; }

 private:
  explicit TlsContext(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
};

}  // namespace dohle::net
