#pragma once

#include <memory>
#include <string>
#include <utility>

#include "net/loop.hpp"
#include "net/tcp_stream.hpp"
#include "net/tls/tls_stream.hpp"

namespace dohle::net {

/// A stream, and the TCP stream at its bottom, which is to be opened.
struct TcpStack {
  std::unique_ptr<ByteStream> stream;
  TcpStream& bottom;
};

/// A plain TCP stream. `events` owns the stream. Loop thread only.
inline TcpStack plain_stack(Loop& loop, StreamEvents& events) {
  auto tcp = std::make_unique<TcpStream>(loop, events);
  TcpStream& bottom = *tcp;
  return {std::move(tcp), bottom};
}

/// The same, with encryption between the two. For a client's side: the doubts of its dialer, and
/// the name of the other side in them.
inline TcpStack tls_stack(Loop& loop, StreamEvents& events, const TlsPlace& place,
                          std::shared_ptr<TlsSession> session,
                          std::shared_ptr<HelloDoubts> doubts = nullptr,
                          const std::string& peer = {}) {
  auto tls = std::make_unique<TlsStream>(place, events, std::move(session));
  if (doubts != nullptr) tls->set_doubts(std::move(doubts), peer);
  auto tcp = std::make_unique<TcpStream>(loop, *tls);
  TcpStream& bottom = *tcp;
  tls->set_stream(std::move(tcp));
  return {std::move(tls), bottom};
}

}  // namespace dohle::net
