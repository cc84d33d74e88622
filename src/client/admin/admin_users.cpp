#include "client/admin/admin_users.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <tuple>

#include "auth/scram.hpp"
#include "base/utf8.hpp"
#include "wire/messages/alter_user_scram_credentials.hpp"
#include "wire/messages/describe_user_scram_credentials.hpp"

namespace dohle::client {

namespace {

using Alter = wire::AlterUserScramCredentialsRequest;
using Altered = wire::AlterUserScramCredentialsResponse;
using Describe = wire::DescribeUserScramCredentialsRequest;
using Described = wire::DescribeUserScramCredentialsResponse;

constexpr std::size_t salt_bytes = 16;

std::int8_t number_of(SaslMechanism mechanism) {
  return mechanism == SaslMechanism::scram_sha_256 ? wire::scram_sha_256_number
                                                   : wire::scram_sha_512_number;
}

std::vector<std::string> names_of(const std::vector<Alter>& changes) {
  std::vector<std::string> names;
  for (const Alter& change : changes) {
    names.push_back(change.deletions.empty() ? change.upsertions.front().name
                                             : change.deletions.front().name);
  }
  return names;
}

/// One request for each change, because a user may occur once in a request. Repeating a change
/// whose answer was lost does no harm, but a deletion may then find no user.
class AlterUsers final : public ItemsCall<void> {
 public:
  AlterUsers(Cluster& cluster, std::string what, std::vector<Alter> changes, SharedCallTime time,
             Then then)
      : ItemsCall(cluster, std::move(time), std::move(what), names_of(changes), std::move(then)),
        changes_(std::move(changes)) {}

 private:
  void ask_about(const std::vector<std::size_t>& pending) override {
    for (const std::size_t item : pending) {
      ask(
          cluster().any_node(), {item}, Alter(changes_[item]),
          [this, item](Result<Altered> answer) { take(item, std::move(answer)); }, WhenLate::wait);
    }
  }
  void take(std::size_t item, Result<Altered> answer) {
    if (!answer) return on_item_failure(item, answer.error().within(doing(item)));
    for (const auto& each : answer->results) {
      if (each.user != name(item)) continue;
      if (each.error_code == broker_error::none) return settle(item, {});
      return on_item_failure(
          item, Error::broker(each.error_code, doing(item), each.error_message.value_or("")));
    }
    settle(item,
           fail(Error::client(Errc::malformed, doing(item) + ": the answer has no entry for it")));
  }

  std::vector<Alter> changes_;
};

/// The passwords, until a worker has salted and stretched them.
struct Salting {
  std::vector<NewScramUser> users;
  std::vector<std::string> salts;
  std::vector<Alter> changes;

  void run() {
    for (std::size_t i = 0; i < users.size(); ++i) {
      const NewScramUser& user = users[i];
      Alter& change = changes.emplace_back();
      change.upsertions.push_back(
          {user.name, number_of(user.mechanism), static_cast<std::int32_t>(user.iterations),
           Slice::copy_of(salts[i]),
           Slice::copy_of(auth::stretch(auth::digest_of(user.mechanism), user.password.reveal(),
                                        salts[i], user.iterations)
                              .reveal())});
    }
    users.clear();
  }
};

Result<std::vector<ScramUser>> users_in(const Described& answer) {
  if (answer.error_code != broker_error::none) {
    return fail(Error::broker(answer.error_code, "", answer.error_message.value_or("")));
  }
  std::vector<ScramUser> users;
  for (const auto& user : answer.results) {
    if (user.error_code != broker_error::none) {
      return fail(
          Error::broker(user.error_code, "user " + user.user, user.error_message.value_or("")));
    }
    for (const auto& each : user.credential_infos) {
      if (each.mechanism != wire::scram_sha_256_number &&
          each.mechanism != wire::scram_sha_512_number)
        continue;
      users.push_back({user.user,
                       each.mechanism == wire::scram_sha_256_number ? SaslMechanism::scram_sha_256
                                                                    : SaslMechanism::scram_sha_512,
                       static_cast<std::uint32_t>(std::max(each.iterations, 0))});
    }
  }
  std::ranges::sort(users, [](const ScramUser& one, const ScramUser& other) {
    return std::tie(one.name, one.mechanism) < std::tie(other.name, other.mechanism);
  });
  return users;
}

/// The salted password is sent, and it suffices to log in.
void warn_of_eavesdroppers(const Cluster& cluster) {
  Logger& logger = cluster.environment().logger;
  if (!cluster.options().can_be_overheard || logger.level() > LogLevel::warning) return;
  logger.log(
      LogLevel::warning, "admin",
      "set SCRAM user: without TLS, anyone that reads the sent bytes can log in as this user");
}

bool is_scram(SaslMechanism mechanism) {
  return mechanism == SaslMechanism::scram_sha_256 || mechanism == SaslMechanism::scram_sha_512;
}

Error not_scram(const std::string& name, SaslMechanism mechanism) {
  return Error::client(Errc::invalid_argument,
                       fmt::format("user {}: the mechanism is {}; allowed are SCRAM-SHA-256 and "
                                   "SCRAM-SHA-512",
                                   name, to_string(mechanism)));
}

}  // namespace

Result<void> check_users_to_delete(const std::vector<ScramUser>& users) {
  for (const ScramUser& user : users) {
    if (!is_scram(user.mechanism)) return fail(not_scram(user.name, user.mechanism));
  }
  return {};
}

Result<void> check_new_users(const std::vector<NewScramUser>& users) {
  for (const NewScramUser& user : users) {
    const auto refused = [&](const std::string& why) {
      return fail(Error::client(Errc::invalid_argument, "user " + user.name + ": " + why));
    };
    const std::string_view password = user.password.reveal();
    if (password.empty()) return refused("the password is empty");
    if (password.contains('\0')) return refused("the password holds a NUL");
    if (!is_utf8(password)) return refused("the password is not UTF-8");
    if (!is_scram(user.mechanism)) return fail(not_scram(user.name, user.mechanism));
    if (user.iterations < auth::min_scram_iterations ||
        user.iterations > auth::max_stored_iterations) {
      return refused(fmt::format("iterations is {}; allowed are {} to {}", user.iterations,
                                 auth::min_scram_iterations, auth::max_stored_iterations));
    }
  }
  return {};
}

void set_scram_users(Cluster& cluster, std::vector<NewScramUser> users, SharedCallTime time,
                     ItemsCall<void>::Then then) {
  warn_of_eavesdroppers(cluster);
  const auto salting = std::make_shared<Salting>();
  for (std::size_t i = 0; i < users.size(); ++i) {
    std::string& salt = salting->salts.emplace_back(salt_bytes, '\0');
    cluster.environment().secure_random.fill(std::as_writable_bytes(std::span(salt)));
  }
  salting->users = std::move(users);
  cluster.environment().workers.run(
      [salting] { salting->run(); }, cluster.environment().loop,
      [&cluster, life = cluster.life(), salting, time = std::move(time),
       then = std::move(then)]() mutable {
        if (life.expired()) {
          return then(fail(Error::client(Errc::closed, "the client is closed")));
        }
        std::make_shared<AlterUsers>(cluster, "set SCRAM user", std::move(salting->changes),
                                     std::move(time), std::move(then))
            ->start();
      });
}

void delete_scram_users(Cluster& cluster, std::vector<ScramUser> users, SharedCallTime time,
                        ItemsCall<void>::Then then) {
  std::vector<Alter> changes;
  for (ScramUser& user : users) {
    changes.emplace_back().deletions.push_back({std::move(user.name), number_of(user.mechanism)});
  }
  std::make_shared<AlterUsers>(cluster, "delete SCRAM user", std::move(changes), std::move(time),
                               std::move(then))
      ->start();
}

void list_scram_users(Cluster& cluster, SharedCallTime time,
                      AdminCall<std::vector<ScramUser>>::Then then) {
  using Call = SingleCall<std::vector<ScramUser>, Describe>;
  std::make_shared<Call>(
      cluster, std::move(time), "list SCRAM users", [] { return Describe{}; }, users_in,
      std::move(then))
      ->start();
}

}  // namespace dohle::client
