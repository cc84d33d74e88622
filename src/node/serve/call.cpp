#include "node/serve/call.hpp"

#include "node/door/sessions.hpp"
#include "node/lines.hpp"

namespace dohle::node {

void Responder::send(Chain bytes) const {
  if (Session* to = sessions_->find(place_.session)) to->answer(place_.number, std::move(bytes));
}

void Responder::close(const Error& why) const {
  Session* to = sessions_->find(place_.session);
  if (to == nullptr) return;
  lines_->complain("closing the connection of " + to->peer() + ": " + std::string(why.message()));
  to->close();
}

}  // namespace dohle::node
