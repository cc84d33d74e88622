#pragma once

#include <chrono>
#include <cstddef>

// Limits of the node that are not options.

namespace dohle::node::limits {

/// Unanswered requests of one connection. At the limit no further requests are read from it.
inline constexpr std::size_t max_requests_per_connection = 128;
/// Body sizes of requests other than Produce: Fetch and SyncGroup; requests that name partitions,
/// topics or member metadata; all others.
inline constexpr std::size_t max_large_body_bytes = std::size_t{8} << 20;
inline constexpr std::size_t max_body_bytes = std::size_t{4} << 20;
inline constexpr std::size_t max_small_body_bytes = std::size_t{1} << 20;
/// Elements of a request that is decoded in a turn of the node's thread. One with more is decoded
/// on a disk thread.
inline constexpr std::size_t max_decoded_at_once = 4'000;
/// Partitions, offsets or groups in an answer that is encoded in a turn. A larger one is encoded on
/// a disk thread.
inline constexpr std::size_t max_encoded_at_once = 4'000;
/// Offsets of one request that are committed or looked up in one slice.
inline constexpr std::size_t max_offsets_at_once = 2'000;
/// Unread answer bytes of one connection. Above the limit it is not read from.
inline constexpr std::size_t max_unread_bytes_per_connection = std::size_t{64} << 20;
/// Size from which on the bytes of an answer have pages of their own.
inline constexpr std::size_t min_apart_bytes = std::size_t{16} << 10;
/// Largest such block. Each is freed at once.
inline constexpr std::size_t max_apart_bytes = std::size_t{1} << 20;
/// A connection that reads none of its answers for this time is closed while other connections wait
/// for the memory of those answers.
inline constexpr auto unread_answers_timeout = std::chrono::seconds(10);
/// While other connections wait for request memory, a connection with an unfinished request is
/// closed if it sends fewer bytes than this minimum in a period, the slowest first.
inline constexpr auto slow_request_period = std::chrono::seconds(5);
inline constexpr std::size_t min_request_bytes_per_period = std::size_t{64} << 10;
/// A connection without any traffic for this time is closed (connections.max.idle.ms): its client
/// may have disappeared silently.
inline constexpr auto connection_idle_timeout = std::chrono::minutes(10);
/// Connections that have not logged in, where a login is needed. A further one takes the place of
/// the oldest.
inline constexpr std::size_t max_unauthenticated_connections = 1'000;
/// Time for the login of a connection, from its accept.
inline constexpr auto authentication_timeout = std::chrono::seconds(10);
inline constexpr std::size_t max_unauthenticated_frame_bytes = std::size_t{512} << 10;
/// Unfinished frames of all those connections together. Frames of logins are far smaller than the
/// 32 KiB from which on a frame is counted.
inline constexpr std::size_t max_unauthenticated_bytes = std::size_t{8} << 20;
/// Pause before a failed login is answered and its connection closed
/// (connection.failed.authentication.delay.ms).
inline constexpr auto failed_authentication_delay = std::chrono::milliseconds(100);
/// SCRAM users, each under one mechanism.
inline constexpr std::size_t max_scram_users = 10'000;
/// Changes of SCRAM users in one request, and users that one request asks for.
inline constexpr std::size_t max_users_per_request = 1'000;
/// Waiting fetches of all connections together. Above the limit fetches are answered at once.
inline constexpr std::size_t max_waiting_fetches = 20'000;

/// Number of fetch sessions (KIP-227), and of partitions in all of them together.
inline constexpr std::size_t max_fetch_sessions = 1'000;
inline constexpr std::size_t max_fetch_session_partitions = 1'000'000;
/// A session that was used within this time is not evicted for another one.
inline constexpr auto fetch_session_eviction_age = std::chrono::minutes(2);

inline constexpr std::size_t max_partitions = 100'000;
/// Elements of all arrays of a request together: topics, partitions, members.
inline constexpr std::size_t max_request_elements = 3 * max_partitions;

/// Bytes of a Produce request that are appended in one slice.
inline constexpr std::size_t max_appended_at_once = std::size_t{1} << 20;
/// Size of a batch that the node's thread writes. A larger one is written on a disk thread.
inline constexpr std::size_t max_written_at_once = std::size_t{4} << 20;

/// Partitions per turn of maintenance: retention, recovery points and unfinished recoveries.
inline constexpr std::size_t max_maintained_at_once = 100;
/// Interval between checks that the open files of active segments are still at their paths.
inline constexpr auto place_check_interval = std::chrono::seconds(1);
/// Topics that one request may create, delete or give partitions at a time.
inline constexpr std::size_t max_topic_changes_per_request = 512;
/// Directories of deleted partitions whose files are still to be removed. At the limit deletions
/// wait.
inline constexpr std::size_t max_doomed_directories = max_partitions;
/// Ids of deleted topics that the catalog keeps, the newest ones.
inline constexpr std::size_t max_kept_deletions = 10'000;

inline constexpr std::size_t max_groups = 100'000;
inline constexpr std::size_t max_group_members = 5'000;
/// Metadata of one member: all its protocols together.
inline constexpr std::size_t max_member_metadata_bytes = std::size_t{1} << 20;
/// Metadata, client ids and instance ids of all members of one group: they are stored as one record
/// and sent to the leader in one answer.
inline constexpr std::size_t max_group_metadata_bytes = std::size_t{2} << 20;
/// Assignments by the leader of a group, with the ids of its members: they are stored in one record
/// with the members' metadata. Together they fit in a segment of __consumer_offsets.
inline constexpr std::size_t max_group_assignment_bytes = std::size_t{2} << 20;
/// Names that clients give themselves.
inline constexpr std::size_t max_instance_id_bytes = 249;
/// Protocols of one member; each is compared with those of the other members.
inline constexpr std::size_t max_member_protocols = 32;
inline constexpr auto min_session_timeout = std::chrono::milliseconds(100);
inline constexpr auto max_session_timeout = std::chrono::minutes(30);
/// Longest wait of a new member in an unfinished rebalance before it is removed.
inline constexpr auto new_member_join_timeout = std::chrono::minutes(5);
inline constexpr std::size_t max_offset_metadata_bytes = 4'096;
/// Memory of all groups together: names, ids, metadata, assignments and committed offsets. At the
/// limit existing data may still be replaced by data of at most the same size.
inline constexpr std::size_t max_group_state_bytes = std::size_t{256} << 20;
/// Bytes of __consumer_offsets that are read before the node is ready. A longer log is read in
/// pieces while the node serves; until then requests to groups are refused with
/// COORDINATOR_LOAD_IN_PROGRESS.
inline constexpr std::size_t max_replayed_at_start = std::size_t{2} << 20;
/// Committed offsets of a group without members are kept for this time.
inline constexpr auto offsets_retention = std::chrono::hours(24 * 7);

/// If the wall clock gains more than this on the monotonic clock, no data is deleted by the new
/// time until it has stayed ahead for `clock_lead_wait`.
inline constexpr auto max_clock_lead = std::chrono::hours(1);
inline constexpr auto clock_lead_wait = std::chrono::minutes(10);

/// Maximum number of kinds of client software that get a log line, once each.
inline constexpr std::size_t max_client_software = 100;

/// Topics in one answer's error lines, and lines of one kind per `log_lines_period`.
inline constexpr unsigned max_log_lines = 10;
inline constexpr auto log_lines_period = std::chrono::seconds(10);

}  // namespace dohle::node::limits
