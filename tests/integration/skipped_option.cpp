// Definitions of src/messaging/options/skipped_option.hpp for the build that skips options.
#include "messaging/options/skipped_option.hpp"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <gtest/gtest.h>

#include "dohle/option_texts.hpp"
#include "messaging/options/option_rows.hpp"

namespace dohle::messaging {

namespace {

template <class Options>
void put_back(std::string_view prefix, Options& options) {
  const char* skipped = std::getenv("DOHLE_SKIP_OPTION");
  if (skipped == nullptr) return;
  for_each_option<Options>([&](const auto& row) {
    if (skipped == std::string(prefix) + std::string(row.name)) row.of(options) = row.of(Options());
  });
}

/// Empty if the value is absent, or neither a number nor a text.
template <class T>
std::string shown(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (std::is_same_v<T, PartitionId>) {
    return value.is_none() ? "" : std::to_string(value.value);
  } else if constexpr (std::is_enum_v<T>) {
    return std::string(to_string(value));
  } else if constexpr (is_optional<T>) {
    return value ? shown(*value) : "";
  } else {
    const auto number = number_of(value);
    return number ? std::to_string(*number) : "";
  }
}

template <class T>
inline constexpr bool is_time = std::is_same_v<T, std::chrono::milliseconds> ||
                                std::is_same_v<T, std::optional<std::chrono::milliseconds>>;

template <class Options>
void print_rows(std::string_view prefix) {
  const Options defaults;
  for_each_option<Options>([&](const auto& row) {
    using Member = typename std::decay_t<decltype(row)>::Value;
    const std::string_view unit = is_time<Member> ? "ms" : row.unit;
    std::cout << "row " << prefix << row.name << '\t' << row.lowest << '\t' << row.highest << '\t'
              << unit << '\t' << shown(row.of(defaults)) << '\n';
  });
}

}  // namespace

void skip_option(kafka::BrokerOptions& options) {
  put_back("broker.", options);
}
void skip_option(PublishOptions& options) {
  put_back("publish.", options);
}
void skip_option(SubscribeOptions& options) {
  put_back("subscribe.", options);
}
void skip_option(RequestOptions& options) {
  put_back("request.", options);
}

// For option_tests.py.
TEST(OptionRows, AreListed) {
  print_rows<kafka::BrokerOptions>("broker.");
  print_rows<PublishOptions>("publish.");
  print_rows<SubscribeOptions>("subscribe.");
  print_rows<RequestOptions>("request.");
}

}  // namespace dohle::messaging
