#pragma once

#include <string_view>

#include "client/cluster/client_environment.hpp"
#include "dohle/client.hpp"

namespace dohle::client {

/// A Client on its caller's loop, network and clock, for instance those of a simulated world.
/// Ignores the options' logger and transport. The environment outlives all handles and the tasks
/// that they have posted. Errors: as of Client::create. Any thread.
[[nodiscard]] Result<Client> make_client(const ClientOptions& options,
                                         const ClientEnvironment& environment);

/// Checks the options of connecting: dial_function, resolver, local_address, fallback_delay and
/// keep_alive. Errors name an option with `prefix` before it.
[[nodiscard]] Result<void> check_connecting(const ClientOptions& options, std::string_view prefix);

}  // namespace dohle::client
