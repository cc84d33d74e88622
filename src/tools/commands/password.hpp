#pragma once

#include <optional>
#include <string>

#include "dohle/error.hpp"
#include "dohle/secret.hpp"

namespace CLI {
class App;
}

namespace dohle::tools {

/// The flags for a password.
struct PasswordSource {
  /// A file with the password alone. Only its owner may read it.
  std::string file = {};
  /// On the command line, where other users of the machine can see it.
  std::optional<std::string> text = std::nullopt;
};

/// --password-file, --password. `source` must live until the command line is parsed.
void add_password_flags(CLI::App& app, PasswordSource& source);

/// The password: of the flags, else of $DOHLE_PASSWORD, else the first line of standard input. On a
/// terminal it asks, without echo. A newline at the end does not count. Errors: configuration.
Result<Secret> read_password(const std::string& command, const PasswordSource& source);

/// The first line of a file that only its owner may read. Errors: configuration, with the path.
Result<Secret> read_password_file(const std::string& path);

}  // namespace dohle::tools
