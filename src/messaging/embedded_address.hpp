#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dohle/error.hpp"

namespace dohle::messaging {

/// "embedded:DIR", "embedded:memory/NAME" or "embedded:memory", with "?listen=PORT" behind it.
struct EmbeddedAddress {
  /// What a node takes as its data directory.
  std::string data_dir;
  /// Equal for addresses that share a node; empty: the node is private.
  std::string key;
  std::optional<std::uint16_t> listen_port;

  [[nodiscard]] bool is_private() const { return key.empty(); }
};

[[nodiscard]] bool is_embedded(std::string_view address);
/// `current_directory` makes relative directories absolute, so that one directory has one key.
/// Errors: configuration, with what is allowed.
[[nodiscard]] Result<EmbeddedAddress> parse_embedded(std::string_view address,
                                                     std::string_view current_directory);

}  // namespace dohle::messaging
