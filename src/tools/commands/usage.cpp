#include "tools/commands/usage.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "properties/suggestion.hpp"
#include "tools/text/values.hpp"

namespace dohle::tools {

namespace {

// The options that every connecting command has, which are also allowed before the command.
constexpr std::array<std::string_view, 8> with_value = {
    "-b", "--brokers", "-X", "--property", "--profile", "--config", "--timeout", "--format"};
constexpr std::array<std::string_view, 4> without_value = {"-q", "--quiet", "-v", "--verbose"};
constexpr std::array<std::string_view, 3> of_any_command = {"-h", "--help", "--version"};

bool is_in(const auto& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::vector<const CLI::App*> subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

/// True for options with a value, also "-bHOST" and "--brokers=HOST".
bool is_with_value(std::string_view argument) {
  if (argument.starts_with("--")) return is_in(with_value, argument.substr(0, argument.find('=')));
  return is_in(with_value, argument.substr(0, 2));
}

bool lacks_value(std::string_view argument) {
  return is_in(with_value, argument);
}

const CLI::App& deepest(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

/// No suggestion for single letters, which are all equally near.
std::string meant_option(std::string_view name, const std::vector<std::string>& known) {
  const std::string meant = name.size() > 2 ? properties::nearest(name, known) : std::string();
  return meant.empty() ? meant : fmt::format("; did you mean {}?", meant);
}

std::string unexpected_argument(const CLI::App& app) {
  const auto rest = app.remaining();
  const auto option =
      std::ranges::find_if(rest, [](const std::string& text) { return text.starts_with('-'); });
  if (option != rest.end()) {
    const std::string name = option->substr(0, option->find('='));
    return fmt::format("there is no option {}{}", name, meant_option(name, option_names(app)));
  }
  return fmt::format("unexpected argument \"{}\"", fmt::join(rest, " "));
}

std::string missing(const CLI::App& app, std::string what) {
  what = what.substr(0, what.find(' '));
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_name() == what) {
      return fmt::format("{} is missing: {}", what, option->get_description());
    }
  }
  return what + " is missing";
}

// --- help ---

/// Breaks `text` at spaces; every line but the first is indented.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = indent;
  while (!text.empty()) {
    const std::size_t size = std::min(text.find(' '), text.size());
    if (column > indent && column + 1 + size > width) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(0, size);
    column += size;
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  return out;
}

/// Wraps paragraphs. Indented lines are examples to copy and stay unchanged.
std::string wrapped_lines(std::string_view text, std::size_t width) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    out += (line.starts_with(' ') ? std::string(line) : wrapped(line, 0, width)) + '\n';
    at = end + 1;
  }
  return out;
}

/// A name with its description beside it, or below if there is no room.
std::string entry(const std::string& name, std::string_view meaning, std::size_t width) {
  const std::size_t column = width >= 72 ? 28 : 6;
  std::string text = "  " + name;
  if (text.size() + 2 > column) {
    text += '\n' + std::string(column, ' ');
  } else {
    text.resize(column, ' ');
  }
  return text + wrapped(meaning, column, width) + '\n';
}

std::string shown_name(const CLI::Option& option) {
  std::string name = option.get_name(false, true);
  const bool takes_value = option.get_items_expected_max() > 0;
  return takes_value ? name + ' ' + option.get_type_name() : name;
}

}  // namespace

Result<std::vector<std::string>> in_order(const CLI::App& app, std::vector<std::string> arguments) {
  if (!arguments.empty() && arguments.front() == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  const CLI::App* at = &app;
  std::string path = app.get_name();
  std::vector<std::string> ordered;
  std::vector<std::string> moved;
  std::size_t i = 0;
  for (; i < arguments.size() && !subcommands(*at).empty(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "help") arguments[i] = "--help";
    if (is_in(of_any_command, argument)) break;
    if (argument.starts_with('-')) {
      if (!is_with_value(argument) && !is_in(without_value, argument)) {
        std::vector<std::string> known(of_any_command.begin(), of_any_command.end());
        known.insert(known.end(), with_value.begin(), with_value.end());
        known.insert(known.end(), without_value.begin(), without_value.end());
        return fail(
            Error::configuration(fmt::format("{}: there is no option {} before the command{}", path,
                                             argument, meant_option(argument, known))));
      }
      moved.push_back(argument);
      if (lacks_value(argument) && i + 1 < arguments.size()) moved.push_back(arguments[++i]);
      continue;
    }
    const auto commands = subcommands(*at);
    const auto found = std::ranges::find(commands, argument, &CLI::App::get_name);
    if (found == commands.end()) {
      return fail(
          Error::configuration(fmt::format("{}: there is no command \"{}\"{}", path, argument,
                                           properties::suggestion(argument, names_of(commands)))));
    }
    at = *found;
    path += ' ' + argument;
    ordered.push_back(argument);
  }
  ordered.insert(ordered.end(), moved.begin(), moved.end());
  ordered.insert(ordered.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i),
                 arguments.end());
  return ordered;
}

std::string path_of(const CLI::App& app) {
  std::string path = app.get_name();
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    path += ' ' + at->get_name();
  }
  return path;
}

std::string why_refused(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& at = deepest(app);
  std::string what = error.what();
  // Unexpected arguments come first: a mistyped option explains a missing one.
  if (at.remaining_size() > 0) return unexpected_argument(at);
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError)) {
    return missing(at, what);
  }
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ArgumentMismatch)) {
    const std::string name = what.substr(0, what.find(':'));
    const bool is_repeated = what.find("received") != std::string::npos;
    return name + (is_repeated ? " is given more than once" : " needs a value");
  }
  return what;
}

std::string help_text(const CLI::App& app, std::size_t width) {
  std::string path = app.get_name();
  for (const CLI::App* at = app.get_parent(); at != nullptr; at = at->get_parent()) {
    path = at->get_name() + ' ' + path;
  }
  std::string usage = "Usage: " + path;
  std::string positionals;
  std::string options;
  std::string connecting;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      const std::string name = option->get_name(true);
      usage += ' ' + name + (option->get_items_expected_max() > 1 ? "..." : "");
      positionals += entry(name, option->get_description(), width);
    } else {
      if (option->get_required()) usage += ' ' + shown_name(*option);
      std::string& into = option->get_group() == connection_group ? connecting : options;
      into += entry(shown_name(*option), option->get_description(), width);
    }
  }
  const auto commands = subcommands(app);
  usage += commands.empty() ? " [OPTIONS]" : " COMMAND [OPTIONS]";
  std::string text = wrapped(app.get_description(), 0, width) + "\n\n" + wrapped(usage, 4, width);
  text += '\n';
  if (!positionals.empty()) text += '\n' + positionals;
  if (!commands.empty()) {
    text += "\nCommands:\n";
    for (const CLI::App* command : commands) {
      text += entry(command->get_name(), command->get_description(), width);
    }
  }
  text += "\nOptions:\n" + options;
  if (!connecting.empty()) text += fmt::format("\n{}:\n{}", connection_group, connecting);
  if (!app.get_footer().empty()) text += '\n' + wrapped_lines(app.get_footer(), width);
  return text;
}

std::size_t help_width() {
  constexpr std::int64_t lowest = 20, usual = 80, highest = 120;
  std::int64_t columns = usual;
  winsize size{};
  // The terminal has priority: COLUMNS may be outdated after a resize.
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    columns = size.ws_col;
  } else if (const char* const told = std::getenv("COLUMNS"); told != nullptr) {
    columns = parse_count(told, 1, 100'000).value_or(columns);
  }
  return static_cast<std::size_t>(std::clamp(columns, lowest, highest));
}

}  // namespace dohle::tools
