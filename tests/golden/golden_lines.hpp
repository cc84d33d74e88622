#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/slice.hpp"

namespace dohle::golden {

/// One line of messages.jsonl.gz. Golden.java describes its contents.
using Line = nlohmann::json;

/// All lines of a gzip file. Throws std::runtime_error if it cannot be read.
[[nodiscard]] std::vector<Line> read_lines(const std::string& path);
/// Decodes standard base64 with padding. Throws std::runtime_error if it is invalid.
[[nodiscard]] Slice from_base64(std::string_view text);
[[nodiscard]] std::string to_base64(Bytes bytes);

}  // namespace dohle::golden
