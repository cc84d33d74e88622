#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dohle/error.hpp"

namespace dohle::messaging {

/// A parsed "embedded:DIR", "embedded:memory/NAME" or "embedded:memory", optionally with
/// "?listen=PORT".
struct EmbeddedAddress {
  /// The node's NodeOptions::data_dir.
  std::string data_dir;
  /// Equal for addresses that share a node. Empty for a private node.
  std::string key;
  std::optional<std::uint16_t> listen_port;

  [[nodiscard]] bool is_private() const { return key.empty(); }
};

[[nodiscard]] bool is_embedded(std::string_view address);
/// Relative directories are made absolute with `current_directory`, so that each directory has one
/// key. Errors: configuration, with the allowed forms.
[[nodiscard]] Result<EmbeddedAddress> parse_embedded(std::string_view address,
                                                     std::string_view current_directory);

}  // namespace dohle::messaging
