#include "tools/commands/yaml.hpp"

#include <gtest/gtest.h>

namespace dohle::tools {
namespace {

using Json = nlohmann::ordered_json;

TEST(Yaml, writes_lists_and_tables_in_blocks) {
  const Json json = {{{"name", "orders"}, {"partitions", {{{"leader", 1}, {"replicas", {1, 2}}}}}},
                     {{"name", "x"}, {"partitions", Json::array()}, {"config", Json::object()}}};
  EXPECT_EQ(to_yaml(json),
            "- name: orders\n"
            "  partitions:\n"
            "    - leader: 1\n"
            "      replicas:\n"
            "        - 1\n"
            "        - 2\n"
            "- name: x\n"
            "  partitions: []\n"
            "  config: {}\n");
}

TEST(Yaml, quotes_text_that_would_be_read_as_another_type) {
  const Json json = {{"a", "true"}, {"b", "No"},        {"c", "1.5"},   {"d", "x: y"},
                     {"e", ""},     {"f", "- \n\x01#"}, {"g", nullptr}, {"retention.ms", true},
                     {"y", -1}};
  EXPECT_EQ(to_yaml(json),
            "a: \"true\"\n"
            "b: \"No\"\n"
            "c: \"1.5\"\n"
            "d: \"x: y\"\n"
            "e: \"\"\n"
            "f: \"- \\n\\u0001#\"\n"
            "g: null\n"
            "retention.ms: true\n"
            "\"y\": -1\n");
}

TEST(Yaml, writes_an_empty_list_as_an_empty_list) {
  EXPECT_EQ(to_yaml(Json::array()), "[]\n");
}

}  // namespace
}  // namespace dohle::tools
