#pragma once

#include <memory>

#include "client/client_core.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

/// Any thread; nothing is sent before the first call.
[[nodiscard]] Admin make_admin(std::shared_ptr<Client::Core> core);

}  // namespace dohle::client
