#pragma once

#include "client/cluster/client_environment.hpp"
#include "dohle/client.hpp"

namespace dohle::client {

/// A Client on the loop, network and clock of its caller, as a simulated world has them; logger and
/// transport of the options do not count. The environment outlives all handles and what they have
/// posted. Errors: as of Client::create. Any thread.
[[nodiscard]] Result<Client> make_client(const ClientOptions& options,
                                         const ClientEnvironment& environment);

}  // namespace dohle::client
