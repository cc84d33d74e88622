#pragma once

#include <cstdint>

#include "dohle/error.hpp"
#include "wire/messages/delete_topics.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/leave_group.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/offset_fetch.hpp"

namespace dohle::client {

// Which version of a request a server gets is known only when it goes out. Where one field took
// another's place in some version, whoever asks sets both, and these drop the one that the version
// lacks.

/// `key` became `coordinator_keys` in 4.
[[nodiscard]] Result<void> fit_version(wire::FindCoordinatorRequest& message, std::int16_t version);
/// `member_id` became `members` in 3.
[[nodiscard]] Result<void> fit_version(wire::LeaveGroupRequest& message, std::int16_t version);
/// `group_id` and `topics` became `groups` in 8. Versions below 7 do without `require_stable`,
/// since such servers know no other way than to answer at once.
[[nodiscard]] Result<void> fit_version(wire::OffsetFetchRequest& message, std::int16_t version);
/// `topic_names` became `topics` in 6.
[[nodiscard]] Result<void> fit_version(wire::DeleteTopicsRequest& message, std::int16_t version);
/// Errors: unsupported_version for the offset of the highest time (-3) below 7.
[[nodiscard]] Result<void> fit_version(wire::ListOffsetsRequest& message, std::int16_t version);

/// A fetch names topics by id from 13 on. Topics of which no id is known go by name.
[[nodiscard]] std::int16_t highest_version(const wire::FetchRequest& message);

template <class M>
concept NeedsFitting = requires(M& message) { fit_version(message, std::int16_t{}); };

}  // namespace dohle::client
