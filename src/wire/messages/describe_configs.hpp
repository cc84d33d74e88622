#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct DescribeConfigsResponse;

// DescribeConfigs (32). Returns the configuration of topics (resource type 2), brokers (4) and
// groups (32).
//
// v1 source of a value, synonyms (KIP-226). v2 throttled after the answer (KIP-219). v3 type and
// documentation (KIP-569). v4 flexible (KIP-482).
struct DescribeConfigsRequest {
  using Response = DescribeConfigsResponse;
  static constexpr Api api{ApiKey::describe_configs, versions(1, 4), flexible_since(4)};

  struct DescribeConfigsResource {
    std::int8_t resource_type = 0;
    std::string resource_name;
    std::optional<std::vector<std::string>> configuration_keys = std::vector<std::string>{};

    static void fields(auto& self, auto& f) {
      f(self.resource_type, "resourceType");
      f(self.resource_name, "resourceName");
      f(self.configuration_keys, "configurationKeys");
    }
  };

  std::vector<DescribeConfigsResource> resources;
  bool include_synonyms = false;
  bool include_documentation = false;

  static void fields(auto& self, auto& f) {
    f(self.resources, "resources");
    f(self.include_synonyms, "includeSynonyms");
    f(self.include_documentation, "includeDocumentation", since(3));
  }
};

struct DescribeConfigsResponse {
  static constexpr Api api{ApiKey::describe_configs, versions(1, 4), flexible_since(4)};

  struct DescribeConfigsSynonym {
    std::string name;
    std::optional<std::string> value = std::string{};
    std::int8_t source = 0;

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.value, "value");
      f(self.source, "source");
    }
  };

  struct DescribeConfigsResourceResult {
    std::string name;
    std::optional<std::string> value = std::string{};
    bool read_only = false;
    std::int8_t config_source = -1;
    bool is_sensitive = false;
    std::vector<DescribeConfigsSynonym> synonyms;
    std::int8_t config_type = 0;
    std::optional<std::string> documentation = std::string{};

    static void fields(auto& self, auto& f) {
      f(self.name, "name");
      f(self.value, "value");
      f(self.read_only, "readOnly");
      f(self.config_source, "configSource");
      f(self.is_sensitive, "isSensitive");
      f(self.synonyms, "synonyms");
      f(self.config_type, "configType", since(3), ignorable);
      f(self.documentation, "documentation", since(3), ignorable);
    }
  };

  struct DescribeConfigsResult {
    std::int16_t error_code = 0;
    std::optional<std::string> error_message = std::string{};
    std::int8_t resource_type = 0;
    std::string resource_name;
    std::vector<DescribeConfigsResourceResult> configs;

    static void fields(auto& self, auto& f) {
      f(self.error_code, "errorCode");
      f(self.error_message, "errorMessage");
      f(self.resource_type, "resourceType");
      f(self.resource_name, "resourceName");
      f(self.configs, "configs");
    }
  };

  std::int32_t throttle_time_ms = 0;
  std::vector<DescribeConfigsResult> results;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.results, "results");
  }
};

}  // namespace dohle::wire
