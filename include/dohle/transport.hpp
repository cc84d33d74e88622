#pragma once

namespace dohle {
inline namespace v0 {

/// Reaches a server without sockets. `Node::transport()` makes it, and a Client takes it as
/// ClientOptions::transport. The type is opaque. Thread safety: several clients may share it.
class Transport;

}  // namespace v0
}  // namespace dohle
