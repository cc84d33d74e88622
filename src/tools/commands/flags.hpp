#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "dohle/error.hpp"
#include "tools/text/values.hpp"

namespace dohle::tools {

/// Adds an option whose text `parse` converts to `into`. A refused text ends the command with a
/// sentence that names the option, and exit_usage. `into` must live until the command line is
/// parsed.
template <class T, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, T& into, Parse parse,
                        const std::string& shown, const std::string& help) {
  const auto set = [name, &into, parse = std::move(parse)](const std::string& text) {
    auto value = parse(std::string_view(text));
    if (!value) throw CLI::ValidationError(name, std::string(value.error().message()));
    into = *std::move(value);
  };
  return app.add_option_function<std::string>(name, set, help)->type_name(shown);
}

/// As add_parsed, for a whole number from `min` to `max`.
template <class T>
CLI::Option* add_count(CLI::App& app, const std::string& name, T& into, std::int64_t min,
                       std::int64_t max, const std::string& help) {
  const auto parse = [min, max](std::string_view text) -> Result<T> {
    const auto count = parse_count(text, min, max);
    if (!count) return fail(count.error());
    return static_cast<T>(*count);
  };
  return add_parsed(app, name, into, parse, "N", help);
}

/// Adds an option that may be given several times; `parse` converts each text, and the value is
/// appended.
template <class T, class Parse>
CLI::Option* add_repeated(CLI::App& app, const std::string& name, std::vector<T>& into, Parse parse,
                          const std::string& shown, const std::string& help) {
  const auto add = [name, &into, parse = std::move(parse)](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      auto value = parse(std::string_view(text));
      if (!value) throw CLI::ValidationError(name, std::string(value.error().message()));
      into.push_back(*std::move(value));
    }
  };
  return app.add_option_function<std::vector<std::string>>(name, add, help)
      ->type_name(shown)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

/// The output format of lists and descriptions; wide is text with more columns.
enum class OutputFormat : std::uint8_t { text, wide, json, yaml };
/// True for a document for other programs, false for text for people.
constexpr bool is_document(OutputFormat format) {
  return format == OutputFormat::json || format == OutputFormat::yaml;
}
Result<OutputFormat> parse_output_format(std::string_view text);
void add_output_format(CLI::App& app, OutputFormat& into);

}  // namespace dohle::tools
