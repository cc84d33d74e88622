#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/commands/properties.hpp"

namespace dohle::tools {

/// Reads the properties of a profile out of a configuration file in TOML:
///
///     profile = "local"              # the one to use when none is named
///     [profiles.local]
///     bootstrap.servers = "127.0.0.1:9092"
///
/// `name` nothing: the one that the file names, if any. Errors: configuration, naming the file and
/// the line, the profile with those that are there, or the property.
Result<Properties> read_profile(std::string_view toml, std::string_view file,
                                const std::optional<std::string>& name);

/// What of a process's environment says where a configuration is; null where it says nothing.
struct ConfigEnvironment {
  const char* config = nullptr;       ///< DOHLE_CONFIG
  const char* profile = nullptr;      ///< DOHLE_PROFILE
  const char* config_home = nullptr;  ///< XDG_CONFIG_HOME
  const char* home = nullptr;         ///< HOME
};

/// The same from the file given, else $DOHLE_CONFIG, else dohle/config.toml in $XDG_CONFIG_HOME or
/// ~/.config, which need not be there unless a profile is asked for.
Result<Properties> load_profile(const std::optional<std::string>& file,
                                const std::optional<std::string>& name,
                                const ConfigEnvironment& environment);

}  // namespace dohle::tools
