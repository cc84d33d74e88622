#pragma once

namespace dohle {
inline namespace v0 {

/// A way to reach a server other than by sockets; made by `Node::transport()`, given to a Client in
/// ClientOptions::transport. Opaque. Thread safety: may be shared by several clients.
class Transport;

}  // namespace v0
}  // namespace dohle
