#include "client/cluster/login.hpp"

#include <array>
#include <span>
#include <utility>

#include "base/base64.hpp"

namespace dohle::client {

namespace {

constexpr std::size_t nonce_bytes = 24;

}  // namespace

Login::Login(const ClientEnvironment& environment, SaslOptions options)
    : environment_(environment), options_(std::move(options)) {}

void Login::replace(SaslOptions options) {
  if (options.mechanism == options_.mechanism && options.username == options_.username &&
      options.password == options_.password) {
    return;
  }
  options_ = std::move(options);
  ++version_;
  keys_.clear();
}

auth::SaslClient Login::begin() {
  std::array<std::byte, nonce_bytes> bytes;
  environment_.secure_random.fill(bytes);
  // Base64 has no comma.
  return {options_, to_base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()})};
}

void Login::derive(const NeedKeys& need, Derived then) {
  Salt salt{version_, need.digest, need.salt, need.iterations};
  if (const auto found = keys_.find(salt); found != keys_.end()) return then(found->second);
  auto& waiting = deriving_[salt];
  waiting.push_back(std::move(then));
  if (waiting.size() > 1) return;
  struct Job {
    Secret password;
    NeedKeys need;
    auth::ScramKeys keys;
  };
  auto job = std::make_shared<Job>(Job{options_.password, need, {}});
  environment_.workers.run(
      [job] {
        job->keys = auth::derive_keys(job->need.digest, job->password.reveal(), job->need.salt,
                                      job->need.iterations);
      },
      environment_.loop,
      [this, alive = std::weak_ptr<Alive>(alive_), job, salt = std::move(salt)] {
        if (!alive.expired()) on_derived(salt, std::move(job->keys));
      });
}

void Login::on_derived(const Salt& salt, auth::ScramKeys keys) {
  auto waiting = std::move(deriving_[salt]);
  deriving_.erase(salt);
  if (std::get<std::uint64_t>(salt) == version_) {
    // A server that changes its salt each time must not fill the memory.
    if (keys_.size() >= max_kept_keys) keys_.clear();
    keys_.insert_or_assign(salt, keys);
  }
  for (Derived& then : waiting) then(keys);
}

}  // namespace dohle::client
