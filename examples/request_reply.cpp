// Request and reply: a service answers the requests of a topic. The caller gets the reply as a
// value or in a future, or gets the service's error. The node is inside the program, in memory; the
// two brokers could be in two programs.
//
// It prints:
//
//   5 parcels to Brno: 60 crowns
//   7 parcels to Praha: 84 crowns
//   0 parcels to Brno: invalid_argument: nothing to carry
#include <chrono>
#include <iostream>
#include <string>

#include <dohle/codec/json.hpp>
#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;
using namespace std::chrono_literals;

struct Load {
  std::string city;
  int parcels = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Load, city, parcels)
};
struct Price {
  int crowns = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Price, crowns)
};

namespace {

dohle::Broker connected(const std::string& node) {
  // Failures of handlers go to their requesters; no other report is needed here.
  auto broker =
      checked(kafka::new_broker(dohle::with_address(node), dohle::with_reply_topic_creation(),
                                kafka::with_enable_error_logger(false)));
  check(broker.connect());
  return broker;
}

dohle::Result<Price> price_of(const Load& load) {
  if (load.parcels <= 0) {
    return dohle::fail(dohle::Error::client(dohle::Errc::invalid_argument, "nothing to carry"));
  }
  return Price{load.parcels * 12};
}

void print(const Load& load, const std::string& what) {
  std::cout << load.parcels << " parcels to " << load.city << ": " << what << '\n';
}

}  // namespace

int main() {
  auto service = connected("embedded:memory/prices");
  check(kafka::create_topic(service, "prices", 3, 1));
  auto answering = checked(service.reply<Load>("prices", price_of, dohle::with_group_id("service"),
                                               dohle::with_concurrency(4)));

  auto caller = connected("embedded:memory/prices");
  const Load load{"Brno", 5};
  const auto price = checked(caller.request<Price>("prices", load, 5s));
  print(load, std::to_string(price.crowns) + " crowns");

  const Load another{"Praha", 7};
  auto coming = caller.request_future<Price>("prices", another);
  print(another, std::to_string(checked(coming.get()).crowns) + " crowns");

  const Load nothing{"Brno", 0};
  const auto refused = caller.request<Price>("prices", nothing);
  if (!refused) {
    const std::string text(refused.error().message());
    print(nothing, text.substr(text.find("invalid_argument")));
  }

  checked(caller.disconnect());
  checked(service.disconnect());
  return 0;
}
