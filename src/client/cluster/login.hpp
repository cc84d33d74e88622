#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "auth/sasl_client.hpp"
#include "client/cluster/client_environment.hpp"
#include "dohle/sasl.hpp"

namespace dohle::client {

/// The login of a client's connections: the present credentials, nonces, and the keys derived from
/// the password. Keys are derived on a worker, once for each salt and number of iterations, and
/// kept. Loop thread only.
class Login {
 public:
  using NeedKeys = auth::SaslClient::NeedKeys;
  using Derived = std::move_only_function<void(const auth::ScramKeys&)>;
  /// Salts whose keys are kept: one per server that makes its own, and room for changes.
  static constexpr std::size_t max_kept_keys = 64;

  /// Errors: configuration, with the option and why it is refused.
  [[nodiscard]] static Result<void> check(const SaslOptions& options) {
    return auth::SaslClient::check(options);
  }

  /// `environment` outlives it. `options` passed `check`.
  Login(const ClientEnvironment& environment, SaslOptions options);

  [[nodiscard]] const SaslOptions& options() const { return options_; }
  /// A number for the present credentials; it changes when they are replaced.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  /// The next logins use these credentials. Keys of the former ones are dropped.
  void replace(SaslOptions options);

  /// A login with a nonce of its own.
  [[nodiscard]] auth::SaslClient begin();
  /// The keys of the present password. `then` runs on the loop, at once if the keys are kept. It
  /// does not run after this object has gone.
  void derive(const NeedKeys& need, Derived then);

 private:
  /// Version of the credentials, digest, salt, iterations.
  using Salt = std::tuple<std::uint64_t, auth::Digest, std::string, std::uint32_t>;
  struct Alive {};

  void on_derived(const Salt& salt, auth::ScramKeys keys);

  const ClientEnvironment& environment_;
  SaslOptions options_;
  std::uint64_t version_ = 1;
  std::map<Salt, auth::ScramKeys> keys_;
  std::map<Salt, std::vector<Derived>> deriving_;
  /// Tells work that ends after this object that it is gone.
  std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

}  // namespace dohle::client
