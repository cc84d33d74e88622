#pragma once

#include "client/cluster/client_environment.hpp"
#include "dohle/client.hpp"

namespace dohle::client {

/// A Client on its caller's loop, network and clock, for instance those of a simulated world.
/// Ignores the options' logger and transport. The environment outlives all handles and the tasks
/// that they have posted. Errors: as of Client::create. Any thread.
[[nodiscard]] Result<Client> make_client(const ClientOptions& options,
                                         const ClientEnvironment& environment);

}  // namespace dohle::client
