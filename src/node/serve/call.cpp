#include "node/serve/call.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/mapped_slice.hpp"
#include "node/door/sessions.hpp"
#include "node/limits.hpp"
#include "node/lines.hpp"

namespace dohle::node {

void keep_apart(Chain& answer) {
  const auto is_large = [](const Chain::Piece& piece) {
    const auto* slice = std::get_if<Slice>(&piece);
    if (slice == nullptr || slice->size() < limits::min_apart_bytes) return false;
    // Records, and the pieces between them, share their blocks.
    return slice->buffer() != nullptr && !slice->buffer()->is_shared();
  };
  if (std::ranges::none_of(answer.pieces(), is_large)) return;
  Chain apart;
  for (Chain::Piece& piece : answer.pieces()) {
    if (!is_large(piece)) {
      std::visit([&](auto& part) { apart.append(std::move(part)); }, piece);
      continue;
    }
    const Slice whole = std::get<Slice>(std::move(piece));
    for (Bytes left = whole.bytes(); !left.empty();) {
      const Bytes next = left.first(std::min(left.size(), limits::max_apart_bytes));
      apart.append(mapped_copy_of(next));
      left = left.subspan(next.size());
    }
  }
  answer = std::move(apart);
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
