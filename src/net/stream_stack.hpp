#pragma once

#include <memory>
#include <utility>

#include "frames/framed_connection.hpp"
#include "net/loop.hpp"
#include "net/tcp_stream.hpp"
#include "net/tls/tls_stream.hpp"

namespace dohle::net {

/// Gives the connection its stream, and returns the TCP stream at the bottom, which is to be
/// opened. Loop thread only.
inline TcpStream& set_plain_stream(frames::FramedConnection& connection, Loop& loop) {
  auto tcp = std::make_unique<TcpStream>(loop, connection);
  TcpStream& bottom = *tcp;
  connection.set_stream(std::move(tcp));
  return bottom;
}

/// The same, with encryption between the two. `doubts`: for a client's side, those of its dialer.
inline TcpStream& set_tls_stream(frames::FramedConnection& connection, Loop& loop,
                                 const TlsPlace& place, std::shared_ptr<TlsSession> session,
                                 std::shared_ptr<HelloDoubts> doubts = nullptr) {
  auto tls = std::make_unique<TlsStream>(place, connection, std::move(session));
  if (doubts != nullptr) tls->set_doubts(std::move(doubts), connection.peer());
  auto tcp = std::make_unique<TcpStream>(loop, *tls);
  TcpStream& bottom = *tcp;
  tls->set_stream(std::move(tcp));
  connection.set_stream(std::move(tls));
  return bottom;
}

}  // namespace dohle::net
