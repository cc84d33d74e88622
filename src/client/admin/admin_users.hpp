#pragma once

#include <vector>

#include "client/admin/admin_call.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

// Admin's calls about SCRAM users, without waiting: `then` is called exactly once, on the loop. One
// result per user, in their order. Loop thread only.

/// Errors: invalid_argument. Any thread.
[[nodiscard]] Result<void> check_new_users(const std::vector<NewScramUser>& users);
[[nodiscard]] Result<void> check_users_to_delete(const std::vector<ScramUser>& users);
/// The users passed check_new_users. The time for PBKDF2 does not count.
void set_scram_users(Cluster& cluster, std::vector<NewScramUser> users, SharedCallTime time,
                     ItemsCall<void>::Then then);
void delete_scram_users(Cluster& cluster, std::vector<ScramUser> users, SharedCallTime time,
                        ItemsCall<void>::Then then);
void list_scram_users(Cluster& cluster, SharedCallTime time,
                      AdminCall<std::vector<ScramUser>>::Then then);

}  // namespace dohle::client
