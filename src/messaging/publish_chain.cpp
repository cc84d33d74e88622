#include "messaging/publish_chain.hpp"

#include <exception>
#include <string>

namespace dohle::messaging {

void tell(const std::function<void(const Result<Receipt>&)>& callback,
          const Result<Receipt>& receipt, Logger& logger) {
  try {
    callback(receipt);
  } catch (const std::exception& fault) {
    logger.log(LogLevel::error, "messaging",
               std::string("a publish callback threw: ") + fault.what());
  } catch (...) {
    logger.log(LogLevel::error, "messaging", "a publish callback threw no std::exception");
  }
}

}  // namespace dohle::messaging
