#include "arguments.hpp"

#include <charconv>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

namespace {

[[noreturn]] void refuse(std::string_view what) {
  fmt::print(stderr, "{}\n", what);
  std::exit(2);
}

}  // namespace

Arguments::Arguments(int argc, char** argv, std::map<std::string, std::string, std::less<>> values)
    : values_(std::move(values)) {
  int first = 1;
  if (argc > 1 && !std::string_view(argv[1]).starts_with("--")) mode_ = argv[first++];
  for (int i = first; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const auto known = name.starts_with("--") ? values_.find(name.substr(2)) : values_.end();
    if (known == values_.end()) refuse(fmt::format("{} is not an option", name));
    if (i + 1 == argc) refuse(fmt::format("{} needs a value", name));
    known->second = argv[i + 1];
  }
}

const std::string& Arguments::text(std::string_view name) const {
  return values_.find(name)->second;
}

std::uint64_t Arguments::number(std::string_view name) const {
  const std::string& value = text(name);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number == 0) {
    refuse(fmt::format("--{} is {}; allowed is a whole number from 1 on", name, value));
  }
  return number;
}
