#pragma once

#include <string>
#include <vector>

#include "client/admin_call.hpp"
#include "dohle/admin.hpp"

namespace dohle::client {

// Admin's calls about topics, without waiting: `then` is called exactly once, on the loop, within
// `timeout`. One result for each name, in the order of names. Loop thread only.

/// Errors of a topic whose earlier request was lost say so: it may have been made by that one.
void create_topics(Engine& engine, std::vector<NewTopic> topics, bool validate_only,
                   Duration timeout, ItemsCall<CreatedTopic>::Then then);
void delete_topics(Engine& engine, std::vector<std::string> names, Duration timeout,
                   ItemsCall<void>::Then then);
void describe_topics(Engine& engine, std::vector<std::string> names, Duration timeout,
                     ItemsCall<TopicDescription>::Then then);
void list_topics(Engine& engine, Duration timeout, AdminCall<std::vector<TopicListing>>::Then then);
void describe_topic_config(Engine& engine, const std::string& name, Duration timeout,
                           AdminCall<std::vector<ConfigEntry>>::Then then);
void describe_cluster(Engine& engine, Duration timeout, AdminCall<ClusterDescription>::Then then);

/// Metadata's question about these topics; it creates none.
[[nodiscard]] wire::MetadataRequest ask_for_topics(const std::vector<std::string>& names);
/// How often a topic may be unknown to a server before it counts as missing: the news of a new one
/// takes a moment to reach all of them.
inline constexpr int unknown_answers_max = 3;

}  // namespace dohle::client
