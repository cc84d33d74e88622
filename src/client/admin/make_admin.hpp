#pragma once

#include <memory>

#include "client/cluster/shared_client.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

/// Sends no request before the first call. Any thread.
[[nodiscard]] Admin make_admin(std::shared_ptr<Client::Shared> client);

}  // namespace dohle::client
