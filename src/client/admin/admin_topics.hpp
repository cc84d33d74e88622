#pragma once

#include <string>
#include <vector>

#include "client/admin/admin_call.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

// Admin's calls about topics, without waiting: `then` is called exactly once, on the loop, within
// `time`. One result per name, in the order of the names. Loop thread only.

/// If an earlier request was lost, an error says so: that request may have created the topic, or
/// the partitions.
void create_topics(Cluster& cluster, std::vector<NewTopic> topics, bool validate_only,
                   SharedCallTime time, ItemsCall<CreatedTopic>::Then then);
void create_partitions(Cluster& cluster, std::vector<NewPartitions> partitions, bool validate_only,
                       SharedCallTime time, ItemsCall<void>::Then then);
void delete_topics(Cluster& cluster, std::vector<std::string> names, SharedCallTime time,
                   ItemsCall<void>::Then then);
void describe_topics(Cluster& cluster, std::vector<std::string> names, SharedCallTime time,
                     ItemsCall<TopicDescription>::Then then);
void list_topics(Cluster& cluster, SharedCallTime time,
                 AdminCall<std::vector<TopicListing>>::Then then);
/// Any server is asked about topics; each server is asked about itself.
void describe_configs(Cluster& cluster, std::vector<ConfigResource> resources, SharedCallTime time,
                      ItemsCall<std::vector<ConfigEntry>>::Then then);
void describe_cluster(Cluster& cluster, SharedCallTime time,
                      AdminCall<ClusterDescription>::Then then);

/// A Metadata request for these topics, which creates none.
[[nodiscard]] wire::MetadataRequest ask_for_topics(const std::vector<std::string>& names);
/// The number of unknown_topic answers after which a topic counts as missing. A new topic reaches
/// all servers only after a moment.
[[nodiscard]] inline int max_unknown_answers(const Cluster& cluster) {
  constexpr int of_many_servers = 3;
  return std::min(of_many_servers, cluster.options().max_unknown_answers);
}

}  // namespace dohle::client
