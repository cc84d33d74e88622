#include "messaging/reports/thrown_by.hpp"

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

}  // namespace dohle::messaging
