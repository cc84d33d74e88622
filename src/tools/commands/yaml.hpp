#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace dohle::tools {

/// `json` as a YAML document in block style, with a final newline. Texts that YAML could parse as
/// another type are quoted, so that parsing returns the same values.
std::string to_yaml(const nlohmann::ordered_json& json);

}  // namespace dohle::tools
