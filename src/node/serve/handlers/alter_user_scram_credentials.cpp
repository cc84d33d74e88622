#include "wire/messages/alter_user_scram_credentials.hpp"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/limits.hpp"
#include "node/security/users.hpp"
#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/scram_users.hpp"

namespace dohle::node {

namespace {

using Request = wire::AlterUserScramCredentialsRequest;
using Response = wire::AlterUserScramCredentialsResponse;
using AlterUserScramCredentialsResult = Response::AlterUserScramCredentialsResult;

using Needed = Parts<Dispatcher, Users>;

/// Why a change is refused; none if it is not. The words are those of Apache Kafka where it refuses
/// the same.
struct Refusal {
  std::int16_t code = broker_error::none;
  std::string why = {};
};

Refusal check_name_and_mechanism(const std::string& name, std::int8_t mechanism) {
  if (name.empty()) return {broker_error::unacceptable_credential, "Username must not be empty"};
  if (auto checked = check_user_name(name); !checked) {
    return {broker_error::unacceptable_credential, std::string(checked.error().message())};
  }
  if (!digest_of(mechanism)) {
    return {broker_error::unsupported_sasl_mechanism, "Unknown SCRAM mechanism"};
  }
  return {};
}

Refusal check(const Users& users, const Request::ScramCredentialDeletion& deletion) {
  Refusal refusal = check_name_and_mechanism(deletion.name, deletion.mechanism);
  if (refusal.code != broker_error::none) return refusal;
  if (users.scram().contains({deletion.name, *digest_of(deletion.mechanism)})) return {};
  return {broker_error::resource_not_found,
          "Attempt to delete a user credential that does not exist"};
}

Refusal check(const Users& users, const Request::ScramCredentialUpsertion& upsertion) {
  Refusal refusal = check_name_and_mechanism(upsertion.name, upsertion.mechanism);
  if (refusal.code != broker_error::none) return refusal;
  const auto unacceptable = [](std::string why) {
    return Refusal{broker_error::unacceptable_credential, std::move(why)};
  };
  if (upsertion.iterations < static_cast<std::int32_t>(auth::min_scram_iterations)) {
    return unacceptable("Too few iterations");
  }
  if (upsertion.iterations > static_cast<std::int32_t>(auth::max_stored_iterations)) {
    return unacceptable("Too many iterations");
  }
  if (upsertion.salt.empty() || upsertion.salt.size() > max_salt_bytes) {
    return unacceptable("The salt has " + std::to_string(upsertion.salt.size()) +
                        " bytes; allowed are 1 to " + std::to_string(max_salt_bytes));
  }
  const std::size_t size = auth::size_of(*digest_of(upsertion.mechanism));
  if (upsertion.salted_password.size() != size) {
    return unacceptable("The salted password has " +
                        std::to_string(upsertion.salted_password.size()) + " bytes; " +
                        std::to_string(size) + " are allowed");
  }
  const bool is_new = !users.scram().contains({upsertion.name, *digest_of(upsertion.mechanism)});
  if (is_new && users.promised() >= limits::max_scram_users) {
    return {broker_error::policy_violation, "there are " + std::to_string(limits::max_scram_users) +
                                                " SCRAM users already (max_scram_users)"};
  }
  return {};
}

UserEntry entry_of(Request::ScramCredentialUpsertion& upsertion) {
  const auth::Digest digest = *digest_of(upsertion.mechanism);
  const auth::ScramKeys keys =
      auth::keys_of_salted(digest, as_text(upsertion.salted_password.bytes()));
  return {std::move(upsertion.name), digest,
          auth::make_verifier(digest, keys, std::string(as_text(upsertion.salt.bytes())),
                              static_cast<std::uint32_t>(upsertion.iterations))};
}

AlterUserScramCredentialsResult refused(const std::string& user, Refusal refusal) {
  return {user, refusal.code, std::move(refusal.why)};
}

/// Each name of the request once, in its order, and which of them occur again.
class Names {
 public:
  explicit Names(const Request& request) {
    for (const auto& each : request.deletions) add(each.name);
    for (const auto& each : request.upsertions) add(each.name);
  }
  [[nodiscard]] const std::vector<std::string>& all() const { return all_; }
  [[nodiscard]] bool is_repeated(const std::string& name) const { return repeated_.contains(name); }

 private:
  void add(const std::string& name) {
    if (seen_.insert(name).second) {
      all_.push_back(name);
    } else {
      repeated_.insert(name);
    }
  }
  std::vector<std::string> all_;
  std::set<std::string> seen_;
  std::set<std::string> repeated_;
};

Response all_refused(const Names& names, const Refusal& refusal) {
  Response response;
  for (const std::string& name : names.all()) {
    response.results.push_back(refused(name, refusal));
  }
  return response;
}

/// One request until it is answered. Each slice begins one change. No further request is read from
/// the connection meanwhile, so that its requests take effect in their order.
class Altering : public std::enable_shared_from_this<Altering> {
 public:
  Altering(const Needed& node, Call& call, Request request, Names names)
      : dispatcher_(node.get<Dispatcher>()),
        users_(node.get<Users>()),
        responder_(call.responder),
        request_(std::move(request)),
        names_(std::move(names)) {
    for (const std::string& name : names_.all()) {
      if (!names_.is_repeated(name)) continue;
      response_.results.push_back(
          refused(name, {broker_error::duplicate_resource,
                         "A user credential cannot be altered twice in the same request"}));
    }
  }

  Progress go_on() {
    const std::size_t deletions = request_.deletions.size();
    if (next_ < deletions) {
      remove(request_.deletions[next_++]);
    } else if (next_ < deletions + request_.upsertions.size()) {
      set(request_.upsertions[next_++ - deletions]);
    } else if (under_way_ == 0) {
      responder_.answer(response_);
      return Progress::answered;
    } else {
      return Progress::waits;
    }
    return Progress::more;
  }

 private:
  void remove(const Request::ScramCredentialDeletion& deletion) {
    if (begins(deletion)) {
      users_.remove({deletion.name, *digest_of(deletion.mechanism)}, when_done());
    }
  }
  void set(Request::ScramCredentialUpsertion& upsertion) {
    if (begins(upsertion)) users_.set(entry_of(upsertion), when_done());
  }
  /// Adds the result of a change. False if it is refused.
  bool begins(const auto& change) {
    if (names_.is_repeated(change.name)) return false;
    Refusal refusal = check(users_, change);
    const bool is_refused = refusal.code != broker_error::none;
    response_.results.push_back(is_refused ? refused(change.name, std::move(refusal))
                                           : AlterUserScramCredentialsResult{
                                                 change.name, broker_error::none, std::nullopt});
    return !is_refused;
  }
  Users::Done when_done() {
    ++under_way_;
    return [self = shared_from_this(), place = response_.results.size() - 1](Result<void> outcome) {
      if (!outcome) {
        self->response_.results[place].error_code = wire_code(outcome.error());
        self->response_.results[place].error_message = text_of(outcome.error());
      }
      --self->under_way_;
      self->dispatcher_.wake(self->responder_.session());
    };
  }

  Dispatcher& dispatcher_;
  Users& users_;
  const Responder responder_;
  Request request_;
  const Names names_;
  Response response_;
  std::size_t next_ = 0;
  std::size_t under_way_ = 0;
};

}  // namespace

void handle(Call& call, Request request) {
  Names names(request);
  if (!may_manage_users(call)) {
    return call.responder.answer(all_refused(
        names, {broker_error::cluster_authorization_failed, std::string(users_need_login)}));
  }
  const std::size_t changes = request.deletions.size() + request.upsertions.size();
  if (changes > limits::max_users_per_request) {
    return call.responder.answer(all_refused(
        names, {broker_error::invalid_request, std::to_string(changes) + " changes; at most " +
                                                   std::to_string(limits::max_users_per_request) +
                                                   " are allowed (max_users_per_request)"}));
  }
  const Needed node = call.node;
  serve_in_slices(node.get<Dispatcher>(), call.responder,
                  std::make_shared<Altering>(node, call, std::move(request), std::move(names)));
}

}  // namespace dohle::node
