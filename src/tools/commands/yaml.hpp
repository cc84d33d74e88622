#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace dohle::tools {

/// `json` as a YAML document in blocks, with its end of line. Texts that YAML might read as
/// something else stand in quotes, so that what is read back is what was written.
std::string to_yaml(const nlohmann::ordered_json& json);

}  // namespace dohle::tools
