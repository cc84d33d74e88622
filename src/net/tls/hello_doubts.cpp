#include "net/tls/hello_doubts.hpp"

namespace dohle::net {

Duration HelloDoubts::pause_of(const std::string& address) const {
  return doubted_.contains(address) ? pause : Duration::zero();
}

Error HelloDoubts::on_unanswered(const std::string& address, const Error& why, Hello hello,
                                 TimePoint now) {
  const bool waited_for_it = hello.was_held && hello.sent_at && now <= *hello.sent_at + prompt;
  if (!waited_for_it) {
    if (doubted_.size() >= max_addresses) doubted_.clear();
    doubted_.insert(address);
    return why;
  }
  // The doubt stays, so that later attempts find out at once.
  return Error::auth(Errc::handshake_failed,
                     "TLS handshake failed: the server speaks no TLS: it closes connections at the "
                     "first bytes of TLS; it may be a plain listener");
}

void HelloDoubts::on_answered(const std::string& address) {
  doubted_.erase(address);
}

}  // namespace dohle::net
