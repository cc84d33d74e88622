#pragma once

#include <nlohmann/json.hpp>

#include "tools/commands.hpp"
#include "tools/terminal.hpp"

namespace dohle::tools {

/// Keeps the order in which fields were set.
using Json = nlohmann::ordered_json;

/// Writes one line to standard output; bytes that are not UTF-8 are replaced. The exit status.
inline int print(const Json& json) {
  return write_out(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n") ? exit_ok
                                                                                     : exit_failed;
}

}  // namespace dohle::tools
