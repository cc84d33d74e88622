#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "dohle/node.hpp"
#include "tools/commands/commands.hpp"
#include "tools/commands/flags.hpp"
#include "tools/commands/password.hpp"
#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

struct UserArguments {
  std::string name;
  PasswordSource password;
  UserHashOptions hash;
};

Result<SaslMechanism> parse_scram_mechanism(std::string_view text) {
  for (const auto each : {SaslMechanism::scram_sha_256, SaslMechanism::scram_sha_512}) {
    if (to_string(each) == text) return each;
  }
  return fail(Error::configuration("\"" + std::string(text) +
                                   "\" is not one of SCRAM-SHA-256, SCRAM-SHA-512"));
}

int hash(const UserArguments& arguments) {
  auto password = read_password("user hash", arguments.password);
  if (!password) return report("user hash", password.error());
  const auto line = hash_user({arguments.name, *std::move(password)}, arguments.hash);
  if (!line) return report("user hash", line.error());
  return write_out(*line + "\n") ? exit_ok : exit_failed;
}

void add_hash(CLI::App& user, std::function<int()>& run) {
  auto arguments = std::make_shared<UserArguments>();
  CLI::App* command =
      user.add_subcommand("hash", "Print the line of a user for a node's users files");
  command->add_option("NAME", arguments->name, "Name of the user")->required();
  add_password_flags(*command, arguments->password);
  add_parsed(*command, "--mechanism", arguments->hash.mechanism, parse_scram_mechanism, "NAME",
             "SCRAM-SHA-256 or SCRAM-SHA-512, with which a SCRAM user logs in; without meaning for "
             "PLAIN [SCRAM-SHA-512]");
  add_count(*command, "--iterations", arguments->hash.iterations, 4'096, 16'384,
            "Iterations of PBKDF2, 4096 to 16384 [4096]");
  command->footer("Example:\n  dohle user hash alice --password-file alice.txt >> users");
  command->callback([arguments, &run] { run = [arguments] { return hash(*arguments); }; });
}

}  // namespace

void add_user_command(CLI::App& app, std::function<int()>& run) {
  CLI::App* user = app.add_subcommand("user", "Make the users of a node");
  user->footer("Example:\n  dohle user hash alice --password-file alice.txt >> users");
  add_hash(*user, run);
}

}  // namespace dohle::tools
