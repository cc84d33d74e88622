#pragma once

#include <string_view>

#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "wire/messages/find_coordinator.hpp"

namespace dohle::client {

/// The question for a group's coordinator, for whatever version the server speaks.
[[nodiscard]] wire::FindCoordinatorRequest ask_for_coordinator(std::string_view group_id);
/// The coordinator that the answer names. Errors: the server's, also for the group alone.
[[nodiscard]] Result<NodeId> coordinator_of(const wire::FindCoordinatorResponse& answer,
                                            std::string_view group_id);
/// The code says that another node is the coordinator, or will be: look for it again.
[[nodiscard]] bool is_coordinator_lost(const Error& error);

}  // namespace dohle::client
