// What src/messaging/skipped_option.hpp declares for the build that skips options.
#include "messaging/skipped_option.hpp"

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "messaging/option_rows.hpp"

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

template <class Options>
void print_rows(std::string_view prefix) {
  for_each_option<Options>(
      [&](const auto& row) { std::cout << "row " << prefix << row.name << "\n"; });
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
