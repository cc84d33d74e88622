#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "wire/messages/fetch.hpp"

namespace dohle::client {

/// A partition to be fetched, as it stands in a request.
struct FetchWish {
  std::shared_ptr<const TopicPartition> where;
  /// Of the topic that the offset is in; none: servers know it by its name alone.
  TopicId topic_id;
  Offset offset;
  LeaderEpoch leader_epoch;
  std::int32_t max_bytes = 0;
};

/// The fetch session with one server (KIP-227): which partitions the server has in mind, so that a
/// request names only what changed. Servers without sessions get everything each time. Not thread
/// safe.
class FetchSession {
 public:
  /// Fills in session, topics and forgotten topics of a request that fetches these partitions,
  /// which are sorted by name. Keeps the list, and hands out the one before it to be filled again.
  void plan(std::vector<FetchWish>& wishes, wire::FetchRequest& request);
  /// The server's answer. Errors: those that it has for the whole request; `is_session_error` tells
  /// which of them are cured by asking again at once.
  Result<void> on_answer(const wire::FetchResponse& answer);
  /// No answer came: what the server has in mind is unknown.
  void on_failed();

  [[nodiscard]] static bool is_session_error(std::int16_t code);

 private:
  void start_over(std::int32_t id);

  std::int32_t id_ = 0;
  /// 0: the next request opens a session.
  std::int32_t epoch_ = 0;
  /// Of the last request; empty while the next one opens a session.
  std::vector<FetchWish> known_;
};

}  // namespace dohle::client
