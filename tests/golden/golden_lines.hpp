#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/slice.hpp"

namespace dohle::golden {

/// One line of messages.jsonl.gz; Golden.java says what is in it.
using Line = nlohmann::json;

/// All lines of a gzip file; throws std::runtime_error when it cannot be read.
[[nodiscard]] std::vector<Line> read_lines(const std::string& path);
/// Bytes of standard base64 with padding; throws std::runtime_error when it is none.
[[nodiscard]] Slice from_base64(std::string_view text);
[[nodiscard]] std::string to_base64(Bytes bytes);

}  // namespace dohle::golden
