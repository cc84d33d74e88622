#pragma once

#include <cstdint>

#include "dohle/error.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/leave_group.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"

namespace dohle::client {

// A request's version is known only when it is sent. If one field replaced another in some version,
// the caller sets both, and these functions clear the one that the version lacks.

/// `key` became `coordinator_keys` in 4.
[[nodiscard]] Result<void> fit_version(wire::FindCoordinatorRequest& message, std::int16_t version);
/// `member_id` became `members` in 3.
[[nodiscard]] Result<void> fit_version(wire::LeaveGroupRequest& message, std::int16_t version);
/// `group_id` and `topics` became `groups` in 8. Clears `require_stable` below 7, since such
/// servers always answer at once.
[[nodiscard]] Result<void> fit_version(wire::OffsetFetchRequest& message, std::int16_t version);
/// `topic_names` became `topics` in 6.
[[nodiscard]] Result<void> fit_version(wire::DeleteTopicsRequest& message, std::int16_t version);
/// Errors: unsupported_version for the offset of the highest time (-3) below 7.
[[nodiscard]] Result<void> fit_version(wire::ListOffsetsRequest& message, std::int16_t version);

/// The highest version of this fetch. From 13 on it names topics by id, so a topic without a known
/// id requires 12.
[[nodiscard]] std::int16_t highest_version(const wire::FetchRequest& message);

/// 4 for commits with a retention time, which later versions lack.
[[nodiscard]] std::int16_t highest_version(const wire::OffsetCommitRequest& message);

template <class M>
concept NeedsFitting = requires(M& message) { fit_version(message, std::int16_t{}); };

}  // namespace dohle::client
