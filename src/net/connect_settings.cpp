#include "net/connect_settings.hpp"

#include <fcntl.h>

#include <exception>
#include <string>
#include <utility>

#include "net/address_share.hpp"

namespace dohle::net {

namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

/// Calls a user's function. An error that is not one of a connection becomes `usual`, which is
/// retried.
template <class Call>
auto guarded(Errc usual, const std::string& name, Call call) -> decltype(call()) {
  try {
    auto made = call();
    if (made) return made;
    const Error& why = made.error();
    const bool is_known = why.is(Errc::connection_failed) || why.is(Errc::name_not_resolved);
    if (is_known) return fail(why.within(name));
    const std::string text = name + ": " + std::string(why.message());
    return fail(Error::client(usual, text).with_retriable(true));
  } catch (const std::exception& thrown) {
    const std::string text = name + " threw an exception: " + thrown.what();
    return fail(Error::client(usual, text).with_retriable(true));
  } catch (...) {
    return fail(Error::client(usual, name + " threw an exception").with_retriable(true));
  }
}

Error unresolved(const std::string& why) {
  return Error::client(Errc::name_not_resolved, why).with_retriable(true);
}

Result<std::vector<std::string>> hosts_of(const ConnectSettings& settings, const Endpoint& to) {
  if (!settings.resolver) return std::vector{to.host};
  const std::string name = "resolver of host \"" + to.host + "\"";
  auto hosts = guarded(Errc::name_not_resolved, name, [&] { return settings.resolver(to.host); });
  if (!hosts) return hosts;
  if (hosts->empty()) return fail(unresolved(name + " found no address"));
  if (hosts->size() > max_resolved_addresses) {
    return fail(unresolved(name + " found " + std::to_string(hosts->size()) +
                           " addresses; allowed are 1 to " +
                           std::to_string(max_resolved_addresses)));
  }
  for (const std::string& host : *hosts) {
    if (addresses_of({host, to.port}, Lookup::numeric)) continue;
    return fail(unresolved(name + " found \"" + host + "\", which is no numeric address"));
  }
  return hosts;
}

Result<Descriptor> checked_socket(DialedSocket given) {
  constexpr std::string_view name = "dial_function";
  Descriptor socket(given.release());
  const auto refused = [&](std::string_view why) {
    return fail(Error::client(Errc::connection_failed, why).within(name).with_retriable(true));
  };
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(socket.number(), SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    return refused("the descriptor that it returned is no socket");
  }
  SocketAddress peer;
  if (type != SOCK_STREAM || ::getpeername(socket.number(), peer.get(), &peer.size) != 0) {
    return refused("the socket that it returned is no connected stream socket");
  }
  const int flags = ::fcntl(socket.number(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.number(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return refused("the socket that it returned cannot be made non-blocking");
  }
  ::fcntl(socket.number(), F_SETFD, FD_CLOEXEC);
  return socket;
}

}  // namespace

NameQuery::Answer ask_user(const ConnectSettings& settings, const Endpoint& to,
                           milliseconds timeout) {
  const auto deadline = Steady::now() + timeout;
  auto hosts = hosts_of(settings, to);
  if (!hosts) return fail(hosts.error());
  NameQuery::Found found;
  if (!settings.dial_function) {
    for (const std::string& host : *hosts) {
      const auto numeric = addresses_of({host, to.port}, Lookup::numeric);
      found.addresses.push_back(numeric->front());
    }
    return found;
  }
  std::optional<Error> last;
  for (std::size_t i = 0; i < hosts->size(); ++i) {
    const std::string& host = (*hosts)[i];
    const auto left = std::chrono::ceil<milliseconds>(deadline - Steady::now());
    if (left <= milliseconds(0)) break;
    const auto share = std::chrono::ceil<milliseconds>(address_share(left, hosts->size() - i));
    auto dialed = guarded(Errc::connection_failed, "dial_function",
                          [&] { return settings.dial_function({host, to.port, share}); });
    auto socket = dialed ? checked_socket(*std::move(dialed)) : fail(dialed.error());
    if (socket) {
      found.socket = *std::move(socket);
      return found;
    }
    last = socket.error();
  }
  // Without an error the time was over, which ends the dial by itself.
  return fail(last.value_or(Error::client(Errc::connection_failed, "no time was left")));
}

}  // namespace dohle::net
