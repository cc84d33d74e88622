#pragma once

#include <string>

#include "dohle/admin.hpp"
#include "dohle/broker.hpp"
#include "dohle/topics.hpp"
#include "messaging/options/settings.hpp"

namespace dohle::messaging {

/// Errors: configuration: no topics or too many; an illegal name; a partition with anything but one
/// name.
[[nodiscard]] Result<void> check_topics(const Topics& topics, PartitionId partition);

/// Sets the topics that `made` reads, and those for its failed messages. Its consumer's options and
/// its group are known. Errors: configuration: a pattern that is refused; those of redirect_topics.
[[nodiscard]] Result<void> choose_topics(const Topics& topics, const SubscribeOptions& own,
                                         FailurePolicy policy, ReadSettings& made);

}  // namespace dohle::messaging
