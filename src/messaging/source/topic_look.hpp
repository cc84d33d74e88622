#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "dohle/admin.hpp"
#include "dohle/error.hpp"

namespace dohle::messaging {

/// Decides when the list of the cluster's topics is requested, once for all subscriptions of a
/// broker that have patterns, and keeps the latest answers. A look has one request under way at a
/// time. Reads no clock. Not thread safe.
class TopicLook {
 public:
  struct Settings {
    /// The longest time of one look.
    std::chrono::milliseconds timeout{10'000};
    /// The wait after the first failure in a row; each further one doubles it.
    std::chrono::milliseconds min_backoff{100};
    std::chrono::milliseconds max_backoff{10'000};
  };
  /// A look ends at its timeout by itself. Once this has passed, too, its answer counts as lost.
  static constexpr std::chrono::seconds grace{1};
  /// Failures in a row after a list until they are reported. Before the first list one is enough,
  /// since nothing can be read.
  static constexpr int failures_until_told = 2;

  /// The result of the latest look.
  struct List {
    /// The number of the look; 0 before the first list.
    std::uint64_t look = 0;
    TimePoint asked_at{};
    /// Null before the first list.
    std::shared_ptr<const std::vector<TopicListing>> topics;
  };
  /// A failure of the looks since the latest list.
  struct Failure {
    Error why;
    /// True for one caller, once until a list comes.
    bool is_to_tell = false;
  };

  explicit TopicLook(Settings settings) : settings_(settings) {}

  /// A subscription wants a list that is asked for at `newer_than` or later. Returns the number of
  /// the look that begins with it. Absent if there is such a list, a look is under way, or the wait
  /// after a failure is not over; `next_at` says when to call again.
  [[nodiscard]] std::optional<std::uint64_t> on_wanted(TimePoint newer_than, TimePoint now);
  /// The answer to that look. An answer to another one than that under way changes nothing.
  void on_list(std::uint64_t look, std::vector<TopicListing> topics);
  void on_failed(std::uint64_t look, const Error& why, TimePoint now);

  /// The latest list lacks topics of a subscription. Returns those to ask about: a name that is
  /// asked about by another subscription, or was since the latest list, is not among them.
  [[nodiscard]] std::vector<std::string> on_missing(std::span<const std::string> names);
  /// The answer about `names`. If it failed as a whole, nothing is known of them.
  void on_described(std::span<const std::string> names,
                    const Result<std::vector<Named<TopicDescription>>>& described);

  /// The time at which on_wanted, unless there is news before, may begin a look or finds that an
  /// answer is lost.
  [[nodiscard]] TimePoint next_at() const { return is_under_way() ? lost_at_ : not_before_; }
  [[nodiscard]] const List& list() const { return list_; }
  [[nodiscard]] std::optional<Failure> take_failure();
  /// Whether the topic can be described; null while that is not known.
  [[nodiscard]] const Result<void>* verdict(const std::string& topic) const;
  /// Grows with each list, failure and verdict.
  [[nodiscard]] std::uint64_t news() const { return news_; }

 private:
  [[nodiscard]] bool is_under_way() const { return under_way_ != 0; }

  const Settings settings_;
  std::uint64_t last_look_ = 0;
  /// 0: none.
  std::uint64_t under_way_ = 0;
  TimePoint asked_at_{};
  TimePoint lost_at_{};
  TimePoint not_before_ = TimePoint::min();
  std::chrono::milliseconds backoff_{0};
  List list_;
  std::optional<Error> failure_;
  int failures_ = 0;
  bool was_told_ = false;
  /// A value is absent while its answer is awaited.
  std::map<std::string, std::optional<Result<void>>> verdicts_;
  std::uint64_t news_ = 0;
};

}  // namespace dohle::messaging
