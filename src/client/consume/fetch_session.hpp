#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "wire/messages/fetch.hpp"

namespace dohle::client {

/// A partition to fetch, with the fields of a request.
struct FetchWish {
  std::shared_ptr<const TopicPartition> where;
  /// Id of the topic to which the offset belongs. None if only the name is known.
  TopicId topic_id;
  Offset offset;
  LeaderEpoch leader_epoch;
  std::int32_t max_bytes = 0;
};

/// The fetch session with one server (KIP-227). It tracks the server's list of partitions, so that
/// a request names only changed ones. A server without sessions gets all partitions each time. Not
/// thread safe.
class FetchSession {
 public:
  /// Sets session, topics and forgotten topics of a request that fetches these partitions, which
  /// are sorted by name. Keeps the list and swaps the previous one into `wishes`, to reuse its
  /// memory.
  void plan(std::vector<FetchWish>& wishes, wire::FetchRequest& request);
  /// Handles the server's answer. Errors: the server's for the whole request. A request that failed
  /// with an `is_session_error` may be repeated at once.
  Result<void> on_answer(const wire::FetchResponse& answer);
  /// There was no answer, so the server's list is unknown.
  void on_failed();

  [[nodiscard]] static bool is_session_error(std::int16_t code);

 private:
  void start_over(std::int32_t id);

  std::int32_t id_ = 0;
  /// 0 if the next request opens a session.
  std::int32_t epoch_ = 0;
  /// The partitions of the last request; empty if the next one opens a session.
  std::vector<FetchWish> known_;
};

}  // namespace dohle::client
