#include "node/security/user_line.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "auth/digest.hpp"
#include "base/base64.hpp"
#include "base/secret_file.hpp"
#include "node/journal/journal_line.hpp"

namespace dohle::node {

namespace {

Error wrong_line() {
  return Error::configuration(
      "a line of a users file is NAME:SCRAM-SHA-512$ITERATIONS:SALT$STORED_KEY:SERVER_KEY, as "
      "`dohle user hash` prints it");
}

/// Takes the text before `end` off the front. If absent, there is no `end`.
std::optional<std::string_view> take_until(std::string_view& rest, char end) {
  const std::size_t at = rest.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return taken;
}

std::optional<auth::ScramVerifier> verifier_of(std::string_view rest, auth::Digest digest) {
  const auto iterations = take_until(rest, ':');
  const auto salt = iterations ? take_until(rest, '$') : std::nullopt;
  const auto stored = salt ? take_until(rest, ':') : std::nullopt;
  if (!stored) return std::nullopt;
  std::uint32_t count = 0;
  const bool is_number = read_number(*iterations, count);
  auto salt_octets = from_base64(*salt);
  auto stored_key = from_base64(*stored);
  auto server_key = from_base64(rest);
  if (!is_number || !salt_octets || !stored_key || !server_key) return std::nullopt;
  const bool has_sizes = !salt_octets->empty() && salt_octets->size() <= max_salt_bytes &&
                         stored_key->size() == auth::size_of(digest) &&
                         server_key->size() == auth::size_of(digest);
  if (!has_sizes) return std::nullopt;
  return auth::ScramVerifier{*std::move(salt_octets), *std::move(stored_key),
                             *std::move(server_key), count};
}

}  // namespace

std::string_view name_of(auth::Digest digest) {
  return to_string(auth::mechanism_of(digest));
}

Result<void> check_user_name(std::string_view name) {
  if (name.empty()) return fail(Error::configuration("the user's name is empty"));
  if (name.size() > max_user_name_bytes) {
    return fail(Error::configuration("the user's name has " + std::to_string(name.size()) +
                                     " bytes; at most " + std::to_string(max_user_name_bytes) +
                                     " are allowed (max_user_name_bytes)"));
  }
  const bool is_plain = std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~'; });
  if (!is_plain) {
    return fail(Error::configuration("the user's name is not printable ASCII"));
  }
  return {};
}

std::string user_line(const UserEntry& user) {
  return user.name + ":" + std::string(name_of(user.digest)) + "$" +
         std::to_string(user.verifier.iterations) + ":" + to_base64(user.verifier.salt) + "$" +
         to_base64(user.verifier.stored_key) + ":" + to_base64(user.verifier.server_key);
}

Result<UserEntry> parse_user_line(std::string_view line) {
  // The name may contain ':', base64 cannot contain ":SCRAM-".
  const std::size_t mechanism = line.rfind(":SCRAM-SHA-");
  if (mechanism == std::string_view::npos) return fail(wrong_line());
  const std::string_view name = line.substr(0, mechanism);
  std::string_view rest = line.substr(mechanism + 1);
  const auto mechanism_name = take_until(rest, '$');
  UserEntry user;
  user.name = name;
  if (mechanism_name == name_of(auth::Digest::sha256)) {
    user.digest = auth::Digest::sha256;
  } else if (mechanism_name != name_of(auth::Digest::sha512)) {
    return fail(wrong_line());
  }
  if (auto checked = check_user_name(name); !checked) return fail(checked.error());
  auto verifier = verifier_of(rest, user.digest);
  if (!verifier) return fail(wrong_line());
  const std::uint32_t iterations = verifier->iterations;
  if (iterations < auth::min_scram_iterations || iterations > auth::max_stored_iterations) {
    return fail(Error::configuration("a user has " + std::to_string(iterations) +
                                     " iterations; allowed are " +
                                     std::to_string(auth::min_scram_iterations) + " to " +
                                     std::to_string(auth::max_stored_iterations)));
  }
  user.verifier = *std::move(verifier);
  return user;
}

Result<std::vector<UserEntry>> parse_users(std::string_view text) {
  std::vector<UserEntry> users;
  std::set<std::pair<std::string, auth::Digest>> seen;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string where = "line " + std::to_string(number);
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    auto user = parse_user_line(line);
    if (!user) return fail(user.error().within(where));
    if (!seen.emplace(user->name, user->digest).second) {
      return fail(Error::configuration(where + ": " + user->name + " has " +
                                       std::string(name_of(user->digest)) + " already"));
    }
    if (users.size() == max_users_per_file) {
      return fail(Error::configuration(where + ": there are more than " +
                                       std::to_string(max_users_per_file) +
                                       " users (max_users_per_file)"));
    }
    users.push_back(*std::move(user));
  }
  return users;
}

Result<std::vector<UserEntry>> read_users_file(const std::string& path) {
  const auto file = SecretFile::read(path, {max_users_file_bytes, "max_users_file_bytes", false});
  if (!file) return fail(file.error());
  if (auto checked = file->check_private("what checks passwords"); !checked) {
    return fail(checked.error());
  }
  auto users = parse_users(file->text().reveal());
  if (!users) return fail(users.error().within(path));
  return users;
}

}  // namespace dohle::node
