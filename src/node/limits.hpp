#pragma once

#include <chrono>
#include <cstddef>

// Every bound of the node that is not an option.

namespace dohle::node::limits {

/// Requests of one connection that are not answered yet; no more are read from it meanwhile.
inline constexpr std::size_t requests_per_connection_max = 128;
/// Bytes of answers that a connection may leave unread before it is not read from.
inline constexpr std::size_t unread_answer_bytes_max = std::size_t{64} << 20;
/// A request of which nothing comes for that long is given up, with its connection, while others
/// wait for the memory that it holds.
inline constexpr auto stalled_request_timeout = std::chrono::seconds(10);
/// A connection on which no byte moves for that long is closed (connections.max.idle.ms): its
/// client may be gone without a word.
inline constexpr auto connection_idle_timeout = std::chrono::minutes(10);
/// Fetches that wait for records, all connections together; further ones are answered at once.
inline constexpr std::size_t waiting_fetches_max = 20'000;

/// Fetch sessions (KIP-227), and partitions in all of them together.
inline constexpr std::size_t fetch_sessions_max = 1'000;
inline constexpr std::size_t fetch_session_partitions_max = 1'000'000;
/// A session that was used within that time is not given up for another.
inline constexpr auto fetch_session_eviction_age = std::chrono::minutes(2);

inline constexpr std::size_t partitions_max = 100'000;
inline constexpr std::size_t topic_name_bytes_max = 249;

inline constexpr std::size_t groups_max = 100'000;
inline constexpr std::size_t group_members_max = 10'000;
/// What one member tells the others: all its protocols together.
inline constexpr std::size_t member_metadata_bytes_max = std::size_t{1} << 20;
/// Ways of sharing that one member knows; all members' are compared with each other.
inline constexpr std::size_t member_protocols_max = 32;
inline constexpr auto session_timeout_min = std::chrono::milliseconds(100);
inline constexpr auto session_timeout_max = std::chrono::minutes(30);
/// How long a newcomer may wait in an unfinished rebalance before it counts as gone.
inline constexpr auto new_member_join_timeout = std::chrono::minutes(5);
inline constexpr std::size_t offset_metadata_bytes_max = 4'096;
/// Committed offsets of a group without members are kept for that long.
inline constexpr auto offsets_retention = std::chrono::hours(24 * 7);

/// Topics in one answer's error lines, and lines of one kind per `log_lines_period`.
inline constexpr unsigned log_lines_max = 10;
inline constexpr auto log_lines_period = std::chrono::seconds(10);

}  // namespace dohle::node::limits
