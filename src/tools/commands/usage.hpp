#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dohle/error.hpp"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

/// What a person meets who mistypes, or asks for help.
namespace dohle::tools {

/// The heading under which help lists the options of every command that connects.
inline constexpr const char* connection_group = "Connecting";

/// The arguments in the order that the parser knows: the words of the command first, then options
/// that stood before them, then the rest; `help WORDS` becomes `WORDS --help`. Errors:
/// configuration: a word that is no command, with the nearest, or an option that does not go before
/// the command.
Result<std::vector<std::string>> in_order(const CLI::App& app, std::vector<std::string> arguments);

/// The (sub)command that the parser came to, as the user would type it: "dohle topic create".
std::string path_of(const CLI::App& app);

/// One sentence on what the parser refused: it names the word, and what is near or allowed.
std::string why_refused(const CLI::App& app, const CLI::ParseError& error);

/// Description, usage, every argument and option, the commands below it and the examples, with
/// lines of at most `width` columns where words allow.
std::string help_text(const CLI::App& app, std::size_t width);

/// $COLUMNS, else what the terminal at standard output says, else 80; from 40 to 100.
std::size_t help_width();

}  // namespace dohle::tools
