#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "properties/property_values.hpp"

namespace dohle::tools {

using properties::PropertyValues;

/// Reads the properties of a profile out of a configuration file in TOML:
///
///     profile = "local"              # the one to use when none is named
///     [profiles.local]
///     bootstrap.servers = "127.0.0.1:9092"
///
/// If `name` is absent, the profile that the file names, if any. Errors: configuration, with the
/// file and the line, the missing profile and the existing ones, or the property.
Result<PropertyValues> read_profile(std::string_view toml, std::string_view file,
                                    const std::optional<std::string>& name);

/// The environment variables that locate a configuration; null if unset.
struct ConfigEnvironment {
  const char* config = nullptr;       ///< DOHLE_CONFIG
  const char* profile = nullptr;      ///< DOHLE_PROFILE
  const char* config_home = nullptr;  ///< XDG_CONFIG_HOME
  const char* home = nullptr;         ///< HOME
};

/// As read_profile, from `file`, else $DOHLE_CONFIG, else dohle/config.toml in $XDG_CONFIG_HOME or
/// ~/.config. The default file may be missing unless a profile is requested. A file whose profile
/// has a password or key must not be readable by other users.
Result<PropertyValues> load_profile(const std::optional<std::string>& file,
                                    const std::optional<std::string>& name,
                                    const ConfigEnvironment& environment);

}  // namespace dohle::tools
