#include "messaging/publish_chain.hpp"

#include <exception>
#include <string>

namespace dohle::messaging {

Error thrown_by(std::string_view who) {
  const std::string threw = std::string(who) + " threw";
  try {
    throw;
  } catch (const std::exception& fault) {
    return Error::client(Errc::handler_failed, threw + ": " + fault.what());
  } catch (...) {
    return Error::client(Errc::handler_failed, threw + " an object that is no std::exception");
  }
}

void tell(const std::function<void(const Result<Receipt>&)>& callback,
          const Result<Receipt>& receipt, Logger& logger) {
  try {
    callback(receipt);
  } catch (const std::exception& fault) {
    logger.log(LogLevel::error, "messaging",
               std::string("a publish callback threw: ") + fault.what());
  } catch (...) {
    logger.log(LogLevel::error, "messaging",
               "a publish callback threw an object that is no std::exception");
  }
}

}  // namespace dohle::messaging
