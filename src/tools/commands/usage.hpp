#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dohle/error.hpp"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

/// Help texts, and errors of the command line.
namespace dohle::tools {

/// The heading of the options that every connecting command has.
inline constexpr const char* connection_group = "Connecting";

/// The arguments in the parser's order: the words of the command, then the options given before
/// them, then the rest. `help WORDS` becomes `WORDS --help`. Errors: configuration, for an unknown
/// command with the nearest one, or for an option that is not allowed before the command.
Result<std::vector<std::string>> in_order(const CLI::App& app, std::vector<std::string> arguments);

/// The (sub)command that the parser reached, as typed by the user: "dohle topic create".
std::string path_of(const CLI::App& app);

/// One sentence about the refused argument, with the nearest or the allowed ones.
std::string why_refused(const CLI::App& app, const CLI::ParseError& error);

/// Description, usage, arguments, options, subcommands and examples, in lines of at most `width`
/// columns unless a word is longer.
std::string help_text(const CLI::App& app, std::size_t width);

/// The width of the terminal at standard output, else $COLUMNS, else 80; clamped to 20 to 120.
std::size_t help_width();

}  // namespace dohle::tools
