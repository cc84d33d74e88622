#include "messaging/publish/publish_chain.hpp"

#include <string>

namespace dohle::messaging {

namespace {

/// Calls a function of the user's; none of its exceptions may escape on the client's thread.
template <class Call>
void call_safely(std::string_view what, Logger& logger, Call call) {
  try {
    call();
  } catch (...) {
    logger.log(LogLevel::error, "messaging", thrown_by("a " + std::string(what)).message());
  }
}

}  // namespace

void tell(const std::function<void(const Result<Receipt>&)>& callback,
          const Result<Receipt>& receipt, Logger& logger) {
  call_safely("publish callback", logger, [&] { callback(receipt); });
}

void tell(const std::function<void(const SettledBatch&)>& completion, const SettledBatch& batch,
          Logger& logger) {
  call_safely("completion", logger, [&] { completion(batch); });
}

}  // namespace dohle::messaging
