#pragma once

#include <string>
#include <vector>

#include "client/admin/admin_call.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

// Admin's calls about groups and offsets, without waiting, as in admin_topics.hpp. Each group is
// asked for at its coordinator.

/// Asks every node of the cluster. Fails if one of them cannot be asked.
void list_groups(Cluster& cluster, SharedCallTime time,
                 AdminCall<std::vector<GroupListing>>::Then then);
void describe_groups(Cluster& cluster, std::vector<std::string> ids, SharedCallTime time,
                     ItemsCall<GroupDescription>::Then then);
void delete_groups(Cluster& cluster, std::vector<std::string> ids, SharedCallTime time,
                   ItemsCall<void>::Then then);
/// One result: the group's offsets.
void group_offsets(Cluster& cluster, const std::string& id, SharedCallTime time,
                   ItemsCall<std::vector<GroupOffset>>::Then then);

}  // namespace dohle::client
