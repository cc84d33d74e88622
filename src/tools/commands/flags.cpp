#include "tools/commands/flags.hpp"

#include <fmt/format.h>

namespace dohle::tools {

Result<OutputFormat> parse_output_format(std::string_view text) {
  if (text == "text") return OutputFormat::text;
  if (text == "wide") return OutputFormat::wide;
  if (text == "json") return OutputFormat::json;
  if (text == "yaml") return OutputFormat::yaml;
  return fail(
      Error::configuration(fmt::format("\"{}\" is not one of text, wide, json, yaml", text)));
}

void add_output_format(CLI::App& app, OutputFormat& into) {
  add_parsed(app, "--format", into, parse_output_format, "text|wide|json|yaml",
             "How standard output is written [text]");
}

}  // namespace dohle::tools
