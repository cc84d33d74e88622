#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "dohle/admin.hpp"
#include "dohle/broker.hpp"
#include "dohle/client.hpp"
#include "messaging/failures/redirect_preparation.hpp"
#include "messaging/failures/retry_topics.hpp"
#include "messaging/source/shared_look.hpp"
#include "messaging/source/source.hpp"
#include "messaging/source/topic_watch.hpp"

namespace dohle::messaging {

/// Reads topics through the client: as a member of a group, or without a group all partitions
/// (including new ones) or a single one.
class ConsumerSource final : public Source {
 public:
  struct Plan {
    /// It is empty with a pattern.
    std::vector<std::string> topics = {};
    /// Read beside them in a group, from their beginnings without a committed offset.
    std::vector<std::string> retry_topics = {};
    /// It replaces `topics`.
    std::optional<TopicWatch::Settings> pattern = {};
    /// Makes the retry topics and the topic for dead letters of a topic that matches the pattern.
    /// Null: there are none.
    std::function<Result<RedirectTopics>(Admin& admin, const std::string& topic)> make_redirects =
        nullptr;
    /// If it is empty, there is no group.
    std::string group_id;
    /// none: all.
    PartitionId partition;
    /// If absent, the consumer's reset policy applies.
    std::optional<StartOffset> start;
    /// Whether the consumer's reset policy is `earliest`.
    bool resets_to_first = true;
    /// If it is absent, new partitions stay unread, and new topics, too, once one has matched.
    std::optional<std::chrono::milliseconds> partition_watch_interval =
        std::chrono::milliseconds(5'000);
    /// Timeout for looking up topics that are named, and their partitions; nothing is read
    /// meanwhile.
    std::chrono::milliseconds look_timeout{10'000};
  };

  /// `look`: that of the broker's subscriptions with patterns. Only a pattern needs it.
  ConsumerSource(Plan plan, Consumer consumer, Admin admin,
                 std::shared_ptr<SharedLook> look = nullptr);

  Result<void> start(RebalanceListener listener) override;
  Result<PolledRecords> poll(std::chrono::milliseconds timeout) override;
  std::vector<TopicPartition> take_replaced() override;
  void wakeup() override;
  void listen_to_topics(TopicListener listener) override { topic_listener_ = std::move(listener); }
  void commit_async(std::vector<PartitionOffset> offsets, client::CommitDone callback) override;
  client::CommitOutcome commit_sync(std::vector<PartitionOffset> offsets,
                                    std::chrono::milliseconds timeout) override;
  void pause(std::span<const TopicPartition> partitions) override;
  void resume(std::span<const TopicPartition> partitions) override;
  void seek(const TopicPartition& partition, Offset offset) override;
  Result<Offset> position(const TopicPartition& partition) override;
  [[nodiscard]] std::optional<std::int64_t> lag(const TopicPartition& partition) const override;
  Result<void> leave() override;
  Result<void> close(std::chrono::milliseconds timeout) override;

 private:
  Result<void> join();
  Result<void> subscribe();
  Result<void> assign_by_hand();
  Result<void> follow_new_partitions();
  /// Assigns these partitions in place of the former ones, and passes the difference to the
  /// listener.
  Result<void> take_by_hand(
      std::vector<TopicPartition> now,
      const std::function<StartOffset(const TopicPartition& partition)>& start_of_new);
  /// The time of the next look after one that began at `last`.
  void watch_again(TimePoint last);
  [[nodiscard]] bool watches_partitions() const;
  /// The partitions of the named topics that exist. Errors: that of the only topic, or that no
  /// topic exists.
  Result<std::vector<TopicPartition>> partitions_of_topics(std::chrono::milliseconds timeout);
  /// Looks up some of them. A topic that does not exist, or must not be read, is put into missing_,
  /// and into `lost` if it was not there before.
  Result<void> look_up(std::vector<std::string> topics, std::chrono::milliseconds timeout,
                       std::vector<TopicPartition>& into, std::vector<Error>& lost);
  Result<void> place(const TopicPartition& partition, const StartOffset& start);
  Result<void> place_unless_committed();
  /// Whether it starts elsewhere than the consumer's reset policy says.
  [[nodiscard]] bool needs_place(const TopicPartition& partition) const;
  [[nodiscard]] StartOffset start_of(const TopicPartition& partition) const;
  [[nodiscard]] RebalanceListener group_listener();
  void forget_unplaced(std::span<const TopicPartition> partitions);
  void trouble(const Error& why) const;
  void note(const std::string& text) const;

  // Calls of a source with a pattern.

  void start_watching();
  /// Takes up the news of the look, and asks for the next list if it is time. Never waits.
  Result<void> follow_look();
  void ask_for_list();
  void take_news();
  /// Whether this list is one that is waited for.
  [[nodiscard]] bool is_wanted(const TopicLook::List& list) const;
  void take_list(const TopicLook::List& list);
  /// Watches for topics until one has matched, also if new topics are not watched for.
  void watch_if_idle(TimePoint last);
  void take_failure(const TopicLook::Failure& failure);
  /// Finds out which of the topics that the list no longer had are gone, whatever the reason.
  void take_verdicts(const SharedLook::Verdicts& verdicts);
  /// Makes the retry topics of those that match.
  void prepare();
  void take_prepared();
  /// Whether it is read from now on.
  [[nodiscard]] bool take_prepared(const std::string& topic, Result<RedirectTopics> made);
  [[nodiscard]] bool is_preparing() const { return preparation_ || !to_prepare_.empty(); }
  void note_added(const std::vector<std::string>& topics) const;
  void drop(const std::vector<std::string>& topics);
  /// Reads the topics that are known now.
  Result<void> follow_topics();
  Result<void> follow_in_group();
  Result<void> follow_by_hand();
  /// The longest poll until the look is due, or may have lost its answer.
  [[nodiscard]] std::chrono::milliseconds until_look(std::chrono::milliseconds timeout) const;
  void lose(const std::vector<std::string>& topics);
  /// A rebalance may still assign partitions of a topic that was dropped while it was under way.
  [[nodiscard]] std::vector<TopicPartition> without_dropped(
      std::span<const TopicPartition> partitions) const;

  const Plan plan_;
  Consumer consumer_;
  Admin admin_;
  RebalanceListener listener_;
  TopicListener topic_listener_;
  std::vector<TopicPartition> by_hand_;
  /// Assigned by the group, and not yet checked for a committed offset, without which they start at
  /// plan_.start.
  std::vector<TopicPartition> unplaced_;
  TimePoint watch_at_ = TimePoint::min();
  /// The topics that plan_ names.
  const std::set<std::string> named_;
  /// The named topics that could not be looked up at the last attempt, with the reasons.
  std::map<std::string, Error> missing_;
  /// The topics that did not exist at some look, so that all of their records are new.
  std::set<std::string> absent_;

  /// It is absent without a pattern.
  std::optional<TopicWatch> watch_;
  /// The retry topics of each topic that matches.
  std::map<std::string, std::vector<std::string>> retry_topics_;
  bool is_subscribed_ = false;

  /// Null without a pattern.
  const std::shared_ptr<SharedLook> look_;
  /// It exists from start to close. It wakes consumer_, so it ends before that.
  std::unique_ptr<SharedLook::Member> member_;
  /// The news of look_ up to here are taken up.
  std::uint64_t seen_news_ = 0;
  /// The latest look whose list is taken up.
  std::uint64_t seen_look_ = 0;
  /// Unless there is news, look_ need not be asked again before this time.
  TimePoint ask_again_at_ = TimePoint::min();
  /// The topics that are read but missing in the latest list, until the reason is known.
  std::vector<std::string> unlisted_;
  /// Topics that wait for the present preparation.
  std::vector<std::string> to_prepare_;
  std::unique_ptr<RedirectPreparation> preparation_;
  /// The topics that are read have to follow the known ones.
  bool must_follow_ = false;
  /// It has followed the look since start.
  bool has_followed_ = false;
};

}  // namespace dohle::messaging
