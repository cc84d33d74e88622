// Two groups receive each message once. Four handlers of a group run at a time, and the messages of
// one key are handled in their order.
//
// It prints:
//
//   billing: 100 messages, each key in order: yes
//   shipping: 100 messages, each key in order: yes
#include <iostream>
#include <latch>
#include <map>
#include <mutex>
#include <string>

#include <dohle/kafka.hpp>

namespace kafka = dohle::kafka;

namespace {

constexpr int messages = 100;
constexpr int keys = 10;

/// The messages that a group has handled.
class Seen {
 public:
  void note(const std::string& key, int number) {
    {
      const std::lock_guard lock(mutex_);
      const auto [last, is_new] = last_of_key_.try_emplace(key, -1);
      in_order_ = in_order_ && number > last->second;
      last->second = number;
      ++count_;
    }
    all_.count_down();
  }
  void print(const std::string& group) {
    all_.wait();
    const std::lock_guard lock(mutex_);
    std::cout << group << ": " << count_
              << " messages, each key in order: " << (in_order_ ? "yes" : "no") << '\n';
  }

 private:
  std::latch all_{messages};
  std::mutex mutex_;
  std::map<std::string, int> last_of_key_;
  int count_ = 0;
  bool in_order_ = true;
};

}  // namespace

int main() {
  auto broker = kafka::new_broker(dohle::with_address("embedded:memory")).value();
  broker.connect().value();
  kafka::create_topic(broker, "orders", 6, 1).value();

  Seen billing;
  Seen shipping;
  const auto noting = [](Seen& seen) {
    return [&seen](const dohle::Event<std::string>& event) {
      seen.note(std::string(event.key().value_or("")), std::stoi(*event));
    };
  };
  auto first = broker
                   .subscribe<std::string>("orders", noting(billing),
                                           {.group_id = "billing", .concurrency = 4})
                   .value();
  auto second = broker
                    .subscribe<std::string>("orders", noting(shipping),
                                            {.group_id = "shipping", .concurrency = 4})
                    .value();
  for (int i = 0; i < messages; ++i) {
    broker
        .publish("orders", std::to_string(i),
                 kafka::with_message_key("customer " + std::to_string(i % keys)))
        .value();
  }
  billing.print("billing");
  shipping.print("shipping");
  return 0;
}
