#include "tools/commands/yaml.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace dohle::tools {

namespace {

using Json = nlohmann::ordered_json;

bool is_plain(std::string_view text) {
  // Words that YAML 1.1 or 1.2 parses as a boolean or null.
  constexpr std::array<std::string_view, 10> taken = {"true", "false", "yes", "no", "on",
                                                      "off",  "null",  "y",   "n",  "~"};
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text.front())) == 0) return false;
  if (std::ranges::find(taken, lower) != taken.end()) return false;
  return std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '/';
  });
}

std::string scalar(const Json& json) {
  if (json.is_string() && is_plain(json.get_ref<const std::string&>())) return json;
  if (json.is_array()) return "[]";
  if (json.is_object()) return "{}";
  // A quoted JSON string is a valid YAML string.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_block(const Json& json) {
  return json.is_structured() && !json.empty();
}

void write(const Json& json, std::size_t indent, std::string& out);

/// Writes the text after "key:" or "-", with its newline. After a dash a block starts on the same
/// line.
void write_value(const Json& value, std::size_t indent, bool after_dash, std::string& out) {
  if (!is_block(value)) {
    out += ' ' + scalar(value) + '\n';
    return;
  }
  if (!after_dash) {
    out += '\n';
    write(value, indent, out);
    return;
  }
  std::string block;
  write(value, indent, block);
  // The dash and its space replace the first line's indent.
  out += ' ' + block.substr(indent);
}

void write(const Json& json, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  if (json.is_array()) {
    for (const Json& each : json) {
      out += margin + '-';
      write_value(each, indent + 2, true, out);
    }
    return;
  }
  for (const auto& [key, value] : json.items()) {
    out += margin + scalar(Json(key)) + ':';
    write_value(value, indent + 2, false, out);
  }
}

}  // namespace

std::string to_yaml(const Json& json) {
  if (!is_block(json)) return scalar(json) + '\n';
  std::string text;
  write(json, 0, text);
  return text;
}

}  // namespace dohle::tools
