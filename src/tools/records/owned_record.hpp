#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dohle/record.hpp"

namespace dohle::tools {

/// A record read from the command's input. An absent key or value is null, not empty.
struct OwnedRecord {
  std::optional<std::string> key = std::nullopt;
  std::optional<std::string> value = std::nullopt;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
  Timestamp timestamp = {};
  PartitionId partition = {};
  friend bool operator==(const OwnedRecord&, const OwnedRecord&) = default;
};

}  // namespace dohle::tools
