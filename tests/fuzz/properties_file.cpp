#include "properties/properties_file.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "properties/property_values.hpp"
#include "properties/security.hpp"

namespace {

using namespace dohle;
using namespace dohle::properties;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  (void)store_type_of("/store", text);
  const auto read = read_properties_file(text);
  if (!read) {
    require(!read.error().message().empty());
    return 0;
  }
  PropertyValues all;
  SecurityTexts texts;
  for (const FileProperty& each : *read) {
    require(!each.name.empty() && each.line >= 1);
    const auto set = all.set(each.name, each.value.reveal());
    require(set || set.error().category() == ErrorCategory::configuration);
    // The names of security by turns, since a fuzzer seldom finds them.
    static const auto names = security_names();
    texts.insert_or_assign(names[each.name.size() % names.size()], each.value);
  }
  (void)all.security();
  const auto security = read_security(texts);
  require(security || security.error().category() == ErrorCategory::configuration);
  if (security && security->protocol == SecurityProtocol::plaintext) {
    require(!security->sasl && !security->tls);
  }
  return 0;
}
