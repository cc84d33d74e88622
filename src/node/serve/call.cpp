#include "node/serve/call.hpp"

#include <variant>

#include "base/mapped_slice.hpp"
#include "node/door/sessions.hpp"
#include "node/limits.hpp"
#include "node/lines.hpp"

namespace dohle::node {

void keep_apart(Chain& answer) {
  for (Chain::Piece& piece : answer.pieces()) {
    auto* slice = std::get_if<Slice>(&piece);
    if (slice == nullptr || slice->size() < limits::min_apart_bytes) continue;
    // Records, and the pieces between them, share their blocks.
    if (slice->buffer() == nullptr || slice->buffer()->is_shared()) continue;
    *slice = mapped_copy_of(slice->bytes());
  }
}

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
