#include "tools/commands/profile.hpp"

#include <cstddef>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "base/secret_file.hpp"
#include "properties/suggestion.hpp"

namespace dohle::tools {

namespace {

constexpr std::size_t max_config_file_bytes = std::size_t{1} << 20;

std::unexpected<Error> refuse(std::string_view file, std::string_view why) {
  return fail(Error::configuration(fmt::format("{}: {}", file, why)));
}

Result<std::string> value_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::to_string(number->get());
  if (const auto* truth = node.as_boolean()) return std::string(truth->get() ? "true" : "false");
  if (const auto* list = node.as_array()) {
    std::string joined;
    for (const toml::node& each : *list) {
      auto value = value_of(each);
      if (!value) return value;
      joined += (joined.empty() ? "" : ",") + *value;
    }
    return joined;
  }
  return fail(Error::configuration(
      "a value must be a string, a whole number, true, false, or a list of them"));
}

/// TOML parses a.b = 1 as a table a with a member b.
Result<void> add(const toml::table& table, const std::string& prefix, PropertyValues& properties) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const auto* inner = node.as_table()) {
      if (auto added = add(*inner, name + ".", properties); !added) return added;
      continue;
    }
    auto value = value_of(node);
    if (!value) return fail(value.error().within(name));
    if (auto set = properties.set(name, *value); !set) return set;
  }
  return {};
}

/// Descriptions of toml++ quote the text.
bool may_show_secret(std::string_view toml) {
  return toml.contains("password") || toml.contains("jaas") || toml.contains("PRIVATE KEY");
}

Result<void> check_top(const toml::table& config) {
  for (const auto& [key, node] : config) {
    const std::string name(key.str());
    const bool is_right =
        (name == "profile" && node.is_string()) || (name == "profiles" && node.is_table());
    if (!is_right) {
      return fail(Error::configuration(
          fmt::format("{} is not allowed there; allowed are profile = \"NAME\" and tables "
                      "[profiles.NAME]",
                      name)));
    }
  }
  return {};
}

}  // namespace

Result<PropertyValues> read_profile(std::string_view toml, std::string_view file,
                                    const std::optional<std::string>& name) {
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    if (may_show_secret(toml)) {
      return refuse(file,
                    fmt::format("line {}: this is not TOML; the file has a password or key, so "
                                "no part of it is shown",
                                error.source().begin.line));
    }
    return refuse(file, fmt::format("line {}: {}", error.source().begin.line, error.description()));
  }
  const toml::table& config = parsed.table();
  if (auto checked = check_top(config); !checked) return refuse(file, checked.error().message());
  const std::string wanted = name ? *name : config["profile"].value_or(std::string());
  if (wanted.empty()) return PropertyValues();
  const toml::table* const profiles = config["profiles"].as_table();
  const toml::node* const node = profiles == nullptr ? nullptr : profiles->get(wanted);
  if (node == nullptr || !node->is_table()) {
    std::vector<std::string> names;
    if (profiles != nullptr) {
      for (const auto& [key, each] : *profiles) names.emplace_back(key.str());
    }
    return refuse(file, fmt::format("there is no profile {}{}", wanted,
                                    properties::suggestion(wanted, names)));
  }
  PropertyValues properties;
  if (auto added = add(*node->as_table(), "", properties); !added) {
    return refuse(file, fmt::format("profile {}: {}", wanted, added.error().message()));
  }
  return properties;
}

Result<PropertyValues> load_profile(const std::optional<std::string>& file,
                                    const std::optional<std::string>& name,
                                    const ConfigEnvironment& environment) {
  std::filesystem::path path;
  bool has_to_be_there = true;
  if (file) {
    path = *file;
  } else if (environment.config != nullptr) {
    path = environment.config;
  } else {
    has_to_be_there = false;
    if (environment.config_home != nullptr && *environment.config_home != '\0') {
      path = std::filesystem::path(environment.config_home) / "dohle" / "config.toml";
    } else if (environment.home != nullptr) {
      path = std::filesystem::path(environment.home) / ".config" / "dohle" / "config.toml";
    }
  }
  std::optional<std::string> wanted = name;
  if (!wanted && environment.profile != nullptr) wanted = environment.profile;
  const auto config =
      SecretFile::read(path.string(), {max_config_file_bytes, "max_config_file_bytes", true});
  if (!config) {
    std::error_code code;
    if (!path.empty() && std::filesystem::exists(path, code)) return fail(config.error());
    if (!has_to_be_there && !wanted) return PropertyValues();
    return refuse(path.string(),
                  wanted ? fmt::format("the file with profile {} cannot be read", *wanted)
                         : std::string("the configuration file cannot be read"));
  }
  auto profile = read_profile(config->text().reveal(), path.string(), wanted);
  if (!profile || !profile->has_secret()) return profile;
  if (auto checked = config->check_private("a password or key"); !checked) {
    return fail(checked.error());
  }
  return profile;
}

}  // namespace dohle::tools
