#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "dohle/admin.hpp"
#include "dohle/node.hpp"
#include "tools/commands/commands.hpp"
#include "tools/commands/connection.hpp"
#include "tools/commands/flags.hpp"
#include "tools/commands/json_output.hpp"
#include "tools/commands/password.hpp"
#include "tools/commands/table.hpp"
#include "tools/commands/terminal.hpp"

namespace dohle::tools {

namespace {

struct UserArguments {
  ConnectionFlags connection;
  OutputFormat format = OutputFormat::text;
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

int report_outcome(std::string_view command, const Result<std::vector<Named<void>>>& outcome) {
  if (!outcome) return report(command, outcome.error());
  int status = exit_ok;
  for (const Named<void>& each : *outcome) {
    if (!each.result) status = first_failure(status, report(command, each.result.error()));
  }
  return status;
}

int create(const UserArguments& arguments) {
  auto password = read_password("user create", arguments.password);
  if (!password) return report("user create", password.error());
  return with_client("user create", arguments.connection, [&](Client& client) {
    return report_outcome(
        "user create",
        client.admin().set_scram_users(
            {{arguments.name, *password, arguments.hash.mechanism, arguments.hash.iterations}}));
  });
}

int list(const UserArguments& arguments, Client& client) {
  const auto users = client.admin().list_scram_users();
  if (!users) return report("user list", users.error());
  Table table({"USER", "MECHANISM", "ITERATIONS"});
  Json json = Json::array();
  for (const ScramUser& user : *users) {
    const std::string mechanism(to_string(user.mechanism));
    table.add({user.name, mechanism, fmt::to_string(user.iterations)});
    json.push_back(
        {{"user", user.name}, {"mechanism", mechanism}, {"iterations", user.iterations}});
  }
  if (is_document(arguments.format)) return print(json, arguments.format);
  return write_out(table.to_string()) ? exit_ok : exit_failed;
}

int remove(const UserArguments& arguments, Client& client) {
  return report_outcome("user delete", client.admin().delete_scram_users(
                                           {{arguments.name, arguments.hash.mechanism}}));
}

void add_mechanism(CLI::App& command, UserArguments& arguments) {
  add_parsed(command, "--mechanism", arguments.hash.mechanism, parse_scram_mechanism, "NAME",
             "SCRAM-SHA-256 or SCRAM-SHA-512 [SCRAM-SHA-512]");
}

void add_iterations(CLI::App& command, UserArguments& arguments) {
  add_count(command, "--iterations", arguments.hash.iterations, 4'096, 16'384,
            "Iterations of PBKDF2, 4096 to 16384 [4096]");
}

void add_create(CLI::App& user, std::function<int()>& run) {
  auto arguments = std::make_shared<UserArguments>();
  CLI::App* command =
      user.add_subcommand("create", "Create a SCRAM user, or give it another password");
  add_connection_flags(*command, arguments->connection);
  command->add_option("NAME", arguments->name, "Name of the user")->required();
  add_password_flags(*command, arguments->password);
  add_mechanism(*command, *arguments);
  add_iterations(*command, *arguments);
  command->footer("Example:\n  dohle user create alice --password-file alice.txt");
  command->callback([arguments, &run] { run = [arguments] { return create(*arguments); }; });
}

void add_list(CLI::App& user, std::function<int()>& run) {
  auto arguments = std::make_shared<UserArguments>();
  CLI::App* command = user.add_subcommand("list", "List all SCRAM users");
  add_connection_flags(*command, arguments->connection);
  add_output_format(*command, arguments->format);
  command->footer("Example:\n  dohle user list --format json");
  command->callback([arguments, &run] {
    run = [arguments] {
      return with_client("user list", arguments->connection,
                         [&](Client& client) { return list(*arguments, client); });
    };
  });
}

void add_delete(CLI::App& user, std::function<int()>& run) {
  auto arguments = std::make_shared<UserArguments>();
  CLI::App* command = user.add_subcommand("delete", "Delete a SCRAM user");
  add_connection_flags(*command, arguments->connection);
  command->add_option("NAME", arguments->name, "Name of the user")->required();
  add_mechanism(*command, *arguments);
  command->footer("Example:\n  dohle user delete alice --mechanism SCRAM-SHA-256");
  command->callback([arguments, &run] {
    run = [arguments] {
      return with_client("user delete", arguments->connection,
                         [&](Client& client) { return remove(*arguments, client); });
    };
  });
}

void add_hash(CLI::App& user, std::function<int()>& run) {
  auto arguments = std::make_shared<UserArguments>();
  CLI::App* command =
      user.add_subcommand("hash", "Print the line of a user for a node's users files");
  command->add_option("NAME", arguments->name, "Name of the user")->required();
  add_password_flags(*command, arguments->password);
  add_mechanism(*command, *arguments);
  add_iterations(*command, *arguments);
  command->footer("Example:\n  dohle user hash alice --password-file alice.txt >> users");
  command->callback([arguments, &run] { run = [arguments] { return hash(*arguments); }; });
}

}  // namespace

void add_user_command(CLI::App& app, std::function<int()>& run) {
  CLI::App* user = app.add_subcommand("user", "Create, list and delete users");
  user->footer(
      "Examples:\n"
      "  dohle user create alice --password-file alice.txt\n"
      "  dohle user list\n"
      "  dohle user delete alice\n"
      "  dohle user hash alice --password-file alice.txt >> users");
  add_create(*user, run);
  add_list(*user, run);
  add_delete(*user, run);
  add_hash(*user, run);
}

}  // namespace dohle::tools
