#pragma once

#include <vector>

#include "client/admin/admin_call.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

/// Admin::list_offsets without waiting, as in admin_topics.hpp. One result per query, in their
/// order. Each partition is asked for at its leader. Errors: no_such_partition.
void list_offsets(Cluster& cluster, const std::vector<OffsetQuery>& queries, SharedCallTime time,
                  ItemsCall<OffsetAnswer::Found>::Then then);

}  // namespace dohle::client
