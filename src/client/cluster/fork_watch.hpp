#pragma once

#include <cstdint>

namespace dohle::client {

/// How many forks lie between the process's first call and now: a client that was made under
/// another number belongs to the parent process. Any thread; no system call.
[[nodiscard]] std::uint32_t fork_count();

}  // namespace dohle::client
