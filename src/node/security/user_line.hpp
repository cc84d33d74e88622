#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "auth/scram.hpp"
#include "dohle/error.hpp"

namespace dohle::node {

/// A user with the verifier of its password under one mechanism. PLAIN passwords are checked by the
/// same verifiers.
struct UserEntry {
  std::string name;
  auth::Digest digest = auth::Digest::sha512;
  auth::ScramVerifier verifier;
  friend bool operator==(const UserEntry&, const UserEntry&) = default;
};

/// Bounds of a salt and of a user's name.
inline constexpr std::size_t max_salt_bytes = 1'024;
inline constexpr std::size_t max_user_name_bytes = 1'024;
/// Bounds of a users file.
inline constexpr std::size_t max_users_per_file = 10'000;
inline constexpr std::size_t max_users_file_bytes = std::size_t{8} << 20;

/// "SCRAM-SHA-256" or "SCRAM-SHA-512".
[[nodiscard]] std::string_view name_of(auth::Digest digest);

/// Errors: configuration (a name that is empty, too long, is not ASCII, or holds control
/// characters). SCRAM clients of Apache Kafka cannot log in with other names.
[[nodiscard]] Result<void> check_user_name(std::string_view name);

/// One line of a users file (docs/formats.md, "Users files"), without its newline:
/// NAME:SCRAM-SHA-512$ITERATIONS:SALT$STORED_KEY:SERVER_KEY.
[[nodiscard]] std::string user_line(const UserEntry& user);
/// Errors: configuration, without the line's text, which is as good as a weak password.
[[nodiscard]] Result<UserEntry> parse_user_line(std::string_view line);
/// The users of a whole file. Lines that are empty or begin with '#' are skipped. Errors:
/// configuration, with the number of the line.
[[nodiscard]] Result<std::vector<UserEntry>> parse_users(std::string_view text);

/// Reads a users file. Errors: configuration (it cannot be read, others than its owner have rights
/// on it, or a line is wrong), with the path and the remedy.
[[nodiscard]] Result<std::vector<UserEntry>> read_users_file(const std::string& path);

}  // namespace dohle::node
