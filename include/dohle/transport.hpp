#pragma once

namespace dohle {
inline namespace v0 {

/// A way to reach a server without sockets. `Node::transport()` makes it, and a Client takes it as
/// ClientOptions::transport. Opaque. Thread safety: several clients may share it.
class Transport;

}  // namespace v0
}  // namespace dohle
