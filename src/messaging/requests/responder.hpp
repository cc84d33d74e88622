#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "dohle/broker.hpp"
#include "messaging/reports/reports.hpp"
#include "messaging/requests/request_desk.hpp"

namespace dohle::messaging {

/// The parts of a Broker that a responder uses.
struct ResponderMeans {
  /// Publishes a reply, and waits until it is stored.
  std::function<Result<void>(std::string_view topic, Message reply)> publish;
  /// The time by the clock of the deadlines.
  std::function<Timestamp()> now;
  std::shared_ptr<RequestDesk> counts;
  std::shared_ptr<Reports> reports;
};

/// The handler of a reply subscription: answers each request, and returns success once the answer
/// is stored, so that the subscription acknowledges the request.
[[nodiscard]] SubscribeHandler responder(ReplyMaker maker, ResponderMeans means);

}  // namespace dohle::messaging
