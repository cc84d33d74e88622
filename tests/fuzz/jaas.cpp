#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "properties/jaas.hpp"

namespace {

using namespace dohle;
using namespace dohle::properties;

void require(bool holds) {
  if (!holds) std::abort();
}

std::string quoted(std::string_view text) {
  std::string all = "\"";
  for (const char c : text) {
    if (c == '\n') {
      all += "\\n";
    } else if (c == '\r') {
      all += "\\r";
    } else {
      if (c == '"' || c == '\\') all += '\\';
      all += c;
    }
  }
  return all + "\"";
}

// Accepted entries that are written out are read as the same ones.
void read_again(const std::vector<JaasEntry>& entries) {
  std::string text;
  for (const JaasEntry& entry : entries) {
    text += quoted(entry.module) + " " + entry.control_flag;
    for (const auto& [name, value] : entry.options) {
      text += " " + quoted(name) + "=" + quoted(value.reveal());
    }
    text += ";";
  }
  if (text.size() > max_jaas_bytes) return;
  const auto again = read_jaas(text);
  require(again && again->size() == entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    require((*again)[i].module == entries[i].module);
    require((*again)[i].options == entries[i].options);
  }
}

constexpr std::string_view secret = "correct horse battery";

void check(std::string_view text) {
  const auto entries = read_jaas(text);
  if (entries) return read_again(*entries);
  require(!entries.error().message().empty());
  require(!entries.error().message().contains(secret));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // In a string of its own, so that a sanitizer sees reads past its end.
  const std::string text(reinterpret_cast<const char*>(data), size);
  check(text);
  check("m.L required " + text + ";");
  check(text + std::string(secret) + text);
  check("m.L required a=\"" + std::string(secret) + text);
  const std::string plain = "org.apache.kafka.common.security.plain.PlainLoginModule required ";
  if (const auto login = read_jaas_login(plain + text + ";")) require(login->password.is_set());
  return 0;
}
