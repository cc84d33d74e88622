#pragma once

#include <string>
#include <vector>

#include "client/admin/admin_call.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

// Admin's calls about topics, without waiting: `then` is called exactly once, on the loop, within
// `timeout`. One result for each name, in the order of names. Loop thread only.

/// Errors of a topic whose earlier request was lost say so: it may have been made by that one.
void create_topics(Cluster& cluster, std::vector<NewTopic> topics, bool validate_only,
                   Duration timeout, ItemsCall<CreatedTopic>::Then then);
void delete_topics(Cluster& cluster, std::vector<std::string> names, Duration timeout,
                   ItemsCall<void>::Then then);
void describe_topics(Cluster& cluster, std::vector<std::string> names, Duration timeout,
                     ItemsCall<TopicDescription>::Then then);
void list_topics(Cluster& cluster, Duration timeout,
                 AdminCall<std::vector<TopicListing>>::Then then);
/// Topics are asked for of any server, servers of themselves.
void describe_configs(Cluster& cluster, std::vector<ConfigResource> resources, Duration timeout,
                      ItemsCall<std::vector<ConfigEntry>>::Then then);
void describe_cluster(Cluster& cluster, Duration timeout, AdminCall<ClusterDescription>::Then then);

/// Metadata's question about these topics; it creates none.
[[nodiscard]] wire::MetadataRequest ask_for_topics(const std::vector<std::string>& names);
/// How often a topic may be unknown to a server before it counts as missing: the news of a new one
/// takes a moment to reach all of them.
[[nodiscard]] inline int max_unknown_answers(const Cluster& cluster) {
  constexpr int of_many_servers = 3;
  return std::min(of_many_servers, cluster.options().max_unknown_answers);
}

}  // namespace dohle::client
