// A logger of your own gets the library's lines and those that the program writes with printf. The
// library has no logger for the whole process; each object is given one. The node is inside the
// program.
//
// It prints:
//
//   info app: opened with 1 partition
//   error messaging: a completion threw: the disk is full
//   info app: closed service=orders
#include <iostream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string_view>

#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;

namespace {

/// Writes to standard output. Several of the library's threads may call it at a time.
class OutputLogger final : public dohle::Logger {
 public:
  dohle::LogLevel level() const noexcept override { return dohle::LogLevel::info; }
  void log(dohle::LogLevel level, std::string_view subject,
           std::string_view line) noexcept override {
    // The library's lines about connections are left out here.
    if (subject != "app" && level < dohle::LogLevel::warning) return;
    const std::lock_guard lock(mutex_);
    std::cout << (level == dohle::LogLevel::error ? "error " : "info ") << subject << ": " << line
              << '\n';
  }

 private:
  std::mutex mutex_;
};

}  // namespace

int main() {
  const auto logger = std::make_shared<OutputLogger>();
  auto broker =
      checked(kafka::new_broker(dohle::with_address("embedded:memory"), kafka::with_logger(logger),
                                kafka::with_completion([](const dohle::SettledBatch&) {
                                  throw std::runtime_error("the disk is full");
                                })));
  check(broker.connect());
  check(kafka::create_topic(broker, "orders", 1, 1));
  logger->printf("opened with %d partition", 1);

  // The batch is stored. The exception of its completion is logged and ends nothing.
  checked(broker.publish("orders", "tea", dohle::with_publish_async(false)));
  checked(broker.disconnect());

  // The same logger, with a field behind each line.
  dohle::fields_logger(logger, {{"service", "orders"}})->printf("closed");
  return 0;
}
