#pragma once

#include <chrono>
#include <cstddef>

// Every bound of the node that is not an option.

namespace dohle::node::limits {

/// Requests of one connection that are not answered yet; no more are read from it meanwhile.
inline constexpr std::size_t max_requests_per_connection = 128;
/// Bodies of requests other than Produce: Fetch and SyncGroup; those that name partitions, topics
/// or what a member tells; all others.
inline constexpr std::size_t max_large_body_bytes = std::size_t{8} << 20;
inline constexpr std::size_t max_body_bytes = std::size_t{4} << 20;
inline constexpr std::size_t max_small_body_bytes = std::size_t{1} << 20;
/// Bytes of answers that one connection may leave unread before it is not read from.
inline constexpr std::size_t max_unread_bytes_per_connection = std::size_t{64} << 20;
/// A connection that has read nothing of its answers for that long is closed while others wait for
/// the memory that they hold.
inline constexpr auto unread_answers_timeout = std::chrono::seconds(10);
/// While others wait for the memory of unfinished requests, a connection with one that sends fewer
/// bytes than these in each period is closed, the slowest first.
inline constexpr auto slow_request_period = std::chrono::seconds(5);
inline constexpr std::size_t min_request_bytes_per_period = std::size_t{64} << 10;
/// A connection on which no byte moves for that long is closed (connections.max.idle.ms): its
/// client may be gone without a word.
inline constexpr auto connection_idle_timeout = std::chrono::minutes(10);
/// Fetches that wait for records, all connections together; further ones are answered at once.
inline constexpr std::size_t max_waiting_fetches = 20'000;

/// Fetch sessions (KIP-227), and partitions in all of them together.
inline constexpr std::size_t max_fetch_sessions = 1'000;
inline constexpr std::size_t max_fetch_session_partitions = 1'000'000;
/// A session that was used within that time is not given up for another.
inline constexpr auto fetch_session_eviction_age = std::chrono::minutes(2);

inline constexpr std::size_t max_partitions = 100'000;

/// Partitions of which one turn sees to retention, recovery points and what recovery left.
inline constexpr std::size_t max_maintained_at_once = 100;
/// Between comparisons of the paths of segments that are written to with the files that are open.
inline constexpr auto place_check_interval = std::chrono::seconds(1);
/// Topics that one request may have in the making or being deleted at a time.
inline constexpr std::size_t max_topic_changes_per_request = 512;
/// Directories of deleted partitions whose files are still to be removed. While there are so many,
/// deletions wait.
inline constexpr std::size_t max_doomed_directories = max_partitions;
/// Deleted topics of which the catalog keeps the ids, the newest ones.
inline constexpr std::size_t max_kept_deletions = 10'000;

inline constexpr std::size_t max_groups = 100'000;
inline constexpr std::size_t max_group_members = 10'000;
/// What one member tells the others: all its protocols together.
inline constexpr std::size_t max_member_metadata_bytes = std::size_t{1} << 20;
/// What the members of one group tell, and their client ids, all together: it is stored as one
/// record, and answered to the leader at once.
inline constexpr std::size_t max_group_metadata_bytes = std::size_t{6} << 20;
/// What the leader of a group assigns to its members, their ids included: it is stored as one
/// record with what they tell.
inline constexpr std::size_t max_group_assignment_bytes = std::size_t{6} << 20;
/// Of names that clients give themselves.
inline constexpr std::size_t max_instance_id_bytes = 249;
/// Ways of sharing that one member knows; all members' are compared with each other.
inline constexpr std::size_t max_member_protocols = 32;
inline constexpr auto min_session_timeout = std::chrono::milliseconds(100);
inline constexpr auto max_session_timeout = std::chrono::minutes(30);
/// How long a newcomer may wait in an unfinished rebalance before it counts as gone.
inline constexpr auto new_member_join_timeout = std::chrono::minutes(5);
inline constexpr std::size_t max_offset_metadata_bytes = 4'096;
/// What all groups together may take of the node's memory: names, ids, what members tell and are
/// assigned, committed offsets. What is there already may be replaced by as much.
inline constexpr std::size_t max_group_state_bytes = std::size_t{256} << 20;
/// Of __consumer_offsets, what is read before the node is ready. A longer one is read in pieces
/// while the node serves, and groups are refused with COORDINATOR_LOAD_IN_PROGRESS until then.
inline constexpr std::size_t max_replayed_at_start = std::size_t{2} << 20;
/// Committed offsets of a group without members are kept for that long.
inline constexpr auto offsets_retention = std::chrono::hours(24 * 7);

/// A wall clock that goes further ahead of the monotonic one is doubted for that long before
/// anything is deleted by its time.
inline constexpr auto max_clock_lead = std::chrono::hours(1);
inline constexpr auto clock_lead_wait = std::chrono::minutes(10);

/// Kinds of client software of which something is said once.
inline constexpr std::size_t max_client_software = 100;

/// Topics in one answer's error lines, and lines of one kind per `log_lines_period`.
inline constexpr unsigned max_log_lines = 10;
inline constexpr auto log_lines_period = std::chrono::seconds(10);

}  // namespace dohle::node::limits
