#pragma once

#include <memory>

#include "client/cluster/shared_client.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

/// Any thread; nothing is sent before the first call.
[[nodiscard]] Admin make_admin(std::shared_ptr<Client::Shared> core);

}  // namespace dohle::client
