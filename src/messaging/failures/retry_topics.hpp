#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/broker.hpp"

namespace dohle::messaging {

/// A topic that failed messages go to.
struct RedirectTopic {
  std::string name;
  /// The time that a message waits there. 0 means dead letters.
  std::chrono::milliseconds delay{0};
};

/// The topics that the failed messages of one subscription go to.
struct RedirectTopics {
  /// The retry topics in the order of their delays.
  std::vector<RedirectTopic> retries;
  std::optional<RedirectTopic> dead_letters;
  [[nodiscard]] bool empty() const { return retries.empty() && !dead_letters; }
};

/// "500ms", "5s", "10m": in the largest of these units without a fraction.
[[nodiscard]] std::string delay_text(std::chrono::milliseconds delay);

/// Errors: configuration: delays that do not grow, or are out of range; no group; a name that is no
/// legal topic name or `topic` itself, which asks for another retry_prefix.
[[nodiscard]] Result<RedirectTopics> redirect_topics(std::string_view topic, std::string_view group,
                                                     const SubscribeOptions& options,
                                                     FailurePolicy policy);

/// True for each name that ends as those of topics for dead letters.
[[nodiscard]] bool is_dead_letter_name(std::string_view name);
/// True for each name that has the middle of those of retry topics.
[[nodiscard]] bool is_retry_name(std::string_view name);
/// True for the name of a retry topic, or of a topic for dead letters, of a subscription in
/// `group`; `prefix` is its retry_prefix, empty for the default.
[[nodiscard]] bool is_redirect_topic(std::string_view name, std::string_view group,
                                     std::string_view prefix);

/// Creates the topics that do not exist, with as many partitions as `source`, the cluster's
/// replication and space for the headers beside the largest message, and checks the others. Errors:
/// no_such_topic for the source; configuration: an existing retry topic keeps messages for less
/// than its delay, or compacts them; those of Admin.
[[nodiscard]] Result<void> prepare(Admin& admin, const std::string& source,
                                   const RedirectTopics& topics);

}  // namespace dohle::messaging
