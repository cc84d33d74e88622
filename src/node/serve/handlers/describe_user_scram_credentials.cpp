#include "wire/messages/describe_user_scram_credentials.hpp"

#include <map>
#include <string>
#include <utility>

#include "node/limits.hpp"
#include "node/security/users.hpp"
#include "node/serve/handlers/handlers.hpp"
#include "node/serve/handlers/scram_users.hpp"

namespace dohle::node {

namespace {

using Response = wire::DescribeUserScramCredentialsResponse;
using DescribeUserScramCredentialsResult = Response::DescribeUserScramCredentialsResult;

Response refused(std::int16_t code, std::string_view why) {
  Response response;
  response.error_code = code;
  response.error_message = std::string(why);
  return response;
}

void add_credentials(const Users::ScramUsers& users, const std::string& name,
                     DescribeUserScramCredentialsResult& to) {
  for (const auto digest : {auth::Digest::sha256, auth::Digest::sha512}) {
    const auto found = users.find({name, digest});
    if (found == users.end()) continue;
    to.credential_infos.push_back(
        {number_of(digest), static_cast<std::int32_t>(found->second.iterations)});
  }
}

DescribeUserScramCredentialsResult described(const Users::ScramUsers& users, std::string name,
                                             std::size_t times) {
  DescribeUserScramCredentialsResult result;
  result.error_message = std::nullopt;
  if (times > 1) {
    result.error_code = broker_error::duplicate_resource;
    result.error_message =
        "Cannot describe SCRAM credentials for the same user twice in a single request: " + name;
  } else {
    add_credentials(users, name, result);
    if (result.credential_infos.empty()) {
      result.error_code = broker_error::resource_not_found;
      result.error_message = "Attempt to describe a user credential that does not exist: " + name;
    }
  }
  result.user = std::move(name);
  return result;
}

}  // namespace

void handle(Call& call, wire::DescribeUserScramCredentialsRequest request) {
  if (!may_manage_users(call)) {
    return call.responder.answer(
        refused(broker_error::cluster_authorization_failed, users_need_login));
  }
  const Parts<Users> node = call.node;
  const Users::ScramUsers& users = node.get<Users>().scram();
  std::map<std::string, std::size_t> wanted;
  if (!request.users || request.users->empty()) {
    for (const auto& [key, verifier] : users) wanted[key.name] = 1;
  } else if (request.users->size() > limits::max_users_per_request) {
    return call.responder.answer(refused(
        broker_error::invalid_request, std::to_string(request.users->size()) + " users; at most " +
                                           std::to_string(limits::max_users_per_request) +
                                           " are allowed (max_users_per_request)"));
  } else {
    for (auto& user : *request.users) ++wanted[std::move(user.name)];
  }
  Response response;
  response.error_message = std::nullopt;
  for (auto& [name, times] : wanted) response.results.push_back(described(users, name, times));
  call.responder.answer(response);
}

}  // namespace dohle::node
