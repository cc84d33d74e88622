#pragma once

#include <string_view>

#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "wire/messages/find_coordinator.hpp"

namespace dohle::client {

/// The request for a group's coordinator, with the fields of all versions.
[[nodiscard]] wire::FindCoordinatorRequest ask_for_coordinator(std::string_view group_id);
/// The coordinator in the answer. Errors: the server's, for the request or for the group.
[[nodiscard]] Result<NodeId> coordinator_of(const wire::FindCoordinatorResponse& answer,
                                            std::string_view group_id);
/// Whether the coordinator has to be looked up again: another node is or will be the coordinator,
/// or the connection failed.
[[nodiscard]] bool is_coordinator_lost(const Error& error);

}  // namespace dohle::client
