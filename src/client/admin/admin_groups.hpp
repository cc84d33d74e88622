#pragma once

#include <string>
#include <vector>

#include "client/admin/admin_call.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

// Admin's calls about groups and offsets, without waiting, as in admin_topics.hpp. Each group is
// asked for at its coordinator.

/// Asks every node of the cluster. Fails if one of them cannot be asked.
void list_groups(Cluster& cluster, Duration timeout,
                 AdminCall<std::vector<GroupListing>>::Then then);
void describe_groups(Cluster& cluster, std::vector<std::string> ids, Duration timeout,
                     ItemsCall<GroupDescription>::Then then);
void delete_groups(Cluster& cluster, std::vector<std::string> ids, Duration timeout,
                   ItemsCall<void>::Then then);
/// One result: the group's offsets.
void group_offsets(Cluster& cluster, const std::string& id, Duration timeout,
                   ItemsCall<std::vector<GroupOffset>>::Then then);

}  // namespace dohle::client
