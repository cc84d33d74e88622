#pragma once

#include <cstddef>
#include <map>
#include <string_view>

namespace dohle::simulation {

/// Counts effects of faults as client and checker observe them, so that a run shows that its faults
/// took effect. Names are printed as they are.
class Effects {
 public:
  void add(std::string_view what, std::size_t count = 1) { counts_[what] += count; }
  Effects& operator+=(const Effects& other) {
    for (const auto& [what, count] : other.counts_) counts_[what] += count;
    return *this;
  }
  [[nodiscard]] const std::map<std::string_view, std::size_t>& counts() const { return counts_; }
  [[nodiscard]] std::size_t of(std::string_view what) const {
    const auto at = counts_.find(what);
    return at == counts_.end() ? 0 : at->second;
  }

 private:
  std::map<std::string_view, std::size_t> counts_;
};

namespace effect {
inline constexpr std::string_view record_failed = "record failed";
inline constexpr std::string_view stored_after_all = "failed record that is stored";
inline constexpr std::string_view batch_read_again = "batch read again by the node";
inline constexpr std::string_view batch_split = "batch refused as too large";
inline constexpr std::string_view epoch_begun = "producer epoch begun anew";
inline constexpr std::string_view producer_died = "producer died";
inline constexpr std::string_view joined = "member joined";
inline constexpr std::string_view left = "member left";
inline constexpr std::string_view member_died = "member died";
inline constexpr std::string_view assigned = "partitions assigned";
inline constexpr std::string_view revoked = "partitions revoked";
inline constexpr std::string_view lost = "partitions lost";
inline constexpr std::string_view sought = "member sought an offset";
inline constexpr std::string_view handled_again = "record handled again";
inline constexpr std::string_view commit_confirmed = "commit confirmed";
inline constexpr std::string_view commit_failed = "commit failed";
inline constexpr std::string_view commit_overtaken = "commit overtaken by a later one";
inline constexpr std::string_view all[] = {
    record_failed,   stored_after_all, batch_read_again, batch_split,
    epoch_begun,     producer_died,    joined,           left,
    member_died,     assigned,         revoked,          lost,
    sought,          handled_again,    commit_confirmed, commit_failed,
    commit_overtaken};

// Effects on the public handles.
inline constexpr std::string_view flushed = "flush covered all";
inline constexpr std::string_view producer_closed = "producer closed in time";
inline constexpr std::string_view unsubscribed = "subscription ended in time";
inline constexpr std::string_view handler_failed = "handler failed for good";
inline constexpr std::string_view held = "message held";
inline constexpr std::string_view retried = "message from a retry topic";
inline constexpr std::string_view batched = "batch of messages";
inline constexpr std::string_view filtered = "message left out by a filter";
inline constexpr std::string_view paused = "subscription paused";
inline constexpr std::string_view sought_back = "subscription sought an offset";
inline constexpr std::string_view topic_added = "topic added to a pattern";
inline constexpr std::string_view topic_deleted = "topic deleted under a pattern";
inline constexpr std::string_view topic_made_again = "topic of a pattern made again";
inline constexpr std::string_view matched_retried = "message of a pattern retried";
inline constexpr std::string_view timed_out = "call ran out of time";
inline constexpr std::string_view of_handles[] = {record_failed,
                                                  joined,
                                                  left,
                                                  revoked,
                                                  lost,
                                                  sought,
                                                  handled_again,
                                                  commit_confirmed,
                                                  commit_failed,
                                                  flushed,
                                                  producer_closed,
                                                  unsubscribed,
                                                  handler_failed,
                                                  held,
                                                  retried,
                                                  batched,
                                                  filtered,
                                                  paused,
                                                  sought_back,
                                                  topic_added,
                                                  topic_deleted,
                                                  topic_made_again,
                                                  matched_retried,
                                                  timed_out};
}  // namespace effect

}  // namespace dohle::simulation
