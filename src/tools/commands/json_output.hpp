#pragma once

#include <nlohmann/json.hpp>

#include "tools/commands/commands.hpp"
#include "tools/commands/flags.hpp"
#include "tools/commands/terminal.hpp"
#include "tools/commands/yaml.hpp"

namespace dohle::tools {

/// JSON that keeps the order in which fields were set.
using Json = nlohmann::ordered_json;

/// Writes one document to standard output, JSON on one line; bytes that are not UTF-8 are replaced.
/// Returns the exit status.
inline int print(const Json& json, OutputFormat format) {
  const std::string text = format == OutputFormat::yaml
                               ? to_yaml(json)
                               : json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_out(text) ? exit_ok : exit_failed;
}

}  // namespace dohle::tools
