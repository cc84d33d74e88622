#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "client/cluster/shared_client.hpp"
#include "client/cluster/thrown_lines.hpp"
#include "client/consume/poll_desk.hpp"
#include "client/consume/read_from_first.hpp"
#include "client/consume/records_walk.hpp"
#include "client/group/group_member.hpp"
#include "client/group/group_offsets.hpp"
#include "dohle/consumer.hpp"
#include "wire/messages/list_offsets.hpp"

namespace dohle::client {

/// The loop's side of a consumer. It performs the actions of FetchPlanner and GroupMember, looks up
/// positions and commits. Polls exchange data with it at its PollDesk.
///
/// Loop thread only, unless a member says otherwise.
class ConsumerLoop final : public Client::Shared::Part,
                           public client::DamageReports,
                           public telemetry::Collector,
                           public client::OffsetsGroup,
                           public std::enable_shared_from_this<ConsumerLoop> {
 public:
  using Done = Client::Shared::Done;
  using News = client::ConsumerNews;

  ConsumerLoop(std::shared_ptr<Client::Shared> client, ConsumerOptions options,
               IsReadFromFirst is_read_from_first = nullptr);

  void start();
  void subscribe(std::vector<std::string> topics);
  /// Revoke and finally Left follow as news.
  void unsubscribe();
  void assign(std::vector<TopicPartition> partitions);
  /// Keeps subscribed, led and assigned topics in view, and no others. A consumer never creates a
  /// topic. Also called after a change of the assignment at the desk.
  void hold_topics();
  /// The caller has taken the news at the desk.
  void on_told_assigned();
  void on_told_released(const std::vector<TopicPartition>& partitions);
  /// Without `time`: ends after default_api_timeout.
  void commit(std::vector<PartitionOffset> offsets, Done then, SharedCallTime time = nullptr);
  /// The same, with the outcome of each partition.
  void commit_each(std::vector<PartitionOffset> offsets, CommitDone then,
                   SharedCallTime time = nullptr);
  void committed(std::vector<TopicPartition> partitions, client::GroupOffsets::OffsetsFetched then,
                 SharedCallTime time = nullptr);
  void close_by(SharedCallTime time, Done done) override;

  client::GroupMembership membership() override;
  void on_offsets_error(NodeId coordinator, Generation generation, const Error& why) override;

  // Any thread.

  void collect(telemetry::Collection& into) override;
  /// Takes the records or the error that are there, if any. Never waits.
  Result<Records> take();
  /// Whether there is a result for a poll, or news.
  [[nodiscard]] static bool has_something(const client::PollTable& table) {
    return table.is_woken || table.is_closed || !table.news.empty() || table.fetch.has_error() ||
           table.fetch.has_records();
  }
  /// A poll begins or ends.
  void begin_poll();
  void end_poll();
  /// Plans fetches and lookups of positions soon.
  void kick();
  /// Logs a failure that no call returns.
  void warn(std::string_view what, const Error& why);
  void warn(std::string_view line);
  /// Logs that a function of the program threw. Call it inside a catch block. Loop thread.
  void say_threw(std::string_view who);
  /// The time that a poll may wait until an error has to be returned again, at most `timeout`.
  [[nodiscard]] std::chrono::milliseconds until_error(std::chrono::milliseconds timeout);
  void on_damage(const TopicPartition& where, std::uint64_t serial, Offset next,
                 const Error& why) override;

  const ConsumerOptions options;
  [[nodiscard]] Client::Shared& client() { return *client_; }
  [[nodiscard]] client::PollDesk& desk() { return desk_; }
  [[nodiscard]] const std::shared_ptr<client::BufferAccount>& account() const { return account_; }

 private:
  void count(const wire::FetchResponse& answer) const;
  void count(client::PollTable& table, const std::vector<client::RecordsRun>& runs) const;
  using Lookups = std::vector<client::FetchPlanner::Lookup>;
  /// The servers' error for a topic, and the time of its first occurrence.
  struct TopicTrouble {
    std::int16_t code = 0;
    TimePoint since{};
    bool is_told = false;
  };
  [[nodiscard]] client::Cluster& cluster() { return client_->cluster(); }
  [[nodiscard]] TimePoint now() { return cluster().now(); }
  [[nodiscard]] std::shared_ptr<client::BufferAccount> make_account();
  [[nodiscard]] client::FetchPlanner make_planner(IsReadFromFirst is_read_from_first);
  [[nodiscard]] client::GroupMember::Options group_options();

  /// Calls `f(self, …)` while the consumer exists and is open; does nothing afterwards.
  template <class F>
  auto while_open(F f);
  template <class F>
  void post(F f);
  template <class F>
  void arm(TimerId ConsumerLoop::* timer, TimePoint at, F f);

  void pump();
  void pump_once();
  /// Called after news of topics.
  void note_topics();
  void send(client::FetchPlanner::Ask ask);
  void on_fetched(NodeId node, Result<wire::FetchResponse> answer);
  void take_news(const client::FetchPlanner::News& news);
  void look_up(Lookups lookups);
  void look_up_committed(Lookups lookups);
  void on_committed_found(const Lookups& lookups,
                          const Result<std::vector<PartitionOffset>>& found);
  void list_offsets(NodeId node, Lookups lookups);
  void on_listed(const Lookups& lookups, Result<wire::ListOffsetsResponse> answer);
  void not_found(const client::FetchPlanner::Lookup& lookup, const Error& why);

  void on_cluster();
  /// Remembers the ids of the topics in view. An unsubscribe keeps them, since the caller may
  /// subscribe to the same topics again.
  void remember_topics();
  void report_topic_errors();
  /// Calls GroupMember's function for the event and performs the resulting actions.
  template <class Event, class... What>
  void tell_group(Event event, What&&... what);
  void apply(client::GroupActions actions);
  void apply_one(client::group_action::FindCoordinator& action);
  void apply_one(client::group_action::Probe& action);
  void apply_one(client::group_action::TakeBack& action);
  void apply_one(client::group_action::Join& action);
  void apply_one(client::group_action::Sync& action);
  void apply_one(client::group_action::Heartbeat& action);
  void apply_one(client::group_action::Leave& action);
  void apply_one(client::group_action::MakeAssignments& action);
  void apply_one(client::group_action::Assigned& action);
  void apply_one(client::group_action::Revoke& action);
  void apply_one(client::group_action::Lose& action);
  void apply_one(client::group_action::Failed& action);
  void apply_one(client::group_action::Left& action);
  void apply_one(client::group_action::Refused& action);
  template <class M, class On>
  client::Cluster::Then<M> answered(client::GroupTicket ticket, On on);
  template <class M, class Ticketed, class On>
  void ask_group(client::ConnectionLane lane, Ticketed& action, Duration timeout, On on);
  void make_assignments(client::GroupTicket ticket,
                        const std::vector<client::SubscribedMember>& members);
  [[nodiscard]] client::PartitionCounts counts_of(const std::set<std::string>& topics);
  void tell(News news);
  void hand_out(News news);
  void note_polls();
  void watch_group();
  void on_group_time();

  void auto_commit();
  void arm_auto_commit();
  [[nodiscard]] std::vector<PartitionOffset> uncommitted();
  /// The time of calls without one of their own: default_api_timeout.
  [[nodiscard]] SharedCallTime usual_time();
  void commit_settled(SharedCallTime time, Done then);
  /// Whether its positions are those of the group. Only members may commit them.
  [[nodiscard]] bool is_subscribed() const;
  void finish_close();

  std::shared_ptr<Client::Shared> client_;
  /// The consumer to notify when charges are given back. Charges may outlive it.
  std::shared_ptr<std::weak_ptr<ConsumerLoop>> self_slot_;
  std::shared_ptr<client::BufferAccount> account_;
  client::PollDesk desk_;
  client::ConnectionLane fetch_lane_{};
  client::ConnectionLane join_lane_{};
  client::ConnectionLane coordinator_lane_{};
  std::optional<client::GroupMember> group_;
  std::shared_ptr<client::GroupOffsets> offsets_;
  client::Cluster::ObserverId observer_ = 0;
  /// Cluster::times_reached when the group was last told.
  std::uint64_t times_reached_ = 0;
  TimerId fetch_timer_ = 0;
  TimerId group_timer_ = 0;
  TimerId commit_timer_ = 0;
  TimerId close_timer_ = 0;
  /// Topics in view changed, and positions have not been compared with them since.
  bool topics_changed_ = false;
  bool is_pumping_ = false;
  bool pump_again_ = false;
  std::vector<std::string> topics_;
  std::map<std::string, TopicTrouble> topic_troubles_;
  /// The topics of the last assignments that this leader made, or is making.
  std::set<std::string> led_topics_;
  /// The topics that the cluster keeps in view for this consumer.
  std::set<std::string> held_topics_;
  client::PartitionCounts led_counts_;
  /// A commit before partitions are given up is in flight. News wait for it.
  bool is_committing_revoked_ = false;
  std::deque<News> delayed_news_;
  std::map<TopicPartition, Offset> last_committed_;
  /// A commit of that generation got no answer and may arrive after later ones, since Kafka's
  /// commits have no sequence number. Auto-commit then repeats committed offsets, as other clients
  /// always do.
  std::optional<Generation> overtaken_in_;
  bool is_closing_ = false;
  bool is_closed_ = false;
  ThrownLines thrown_{"consumer"};
  std::vector<Done> closing_;
  Result<void> close_outcome_;

  std::atomic<bool> is_kicked_{false};
  std::atomic<bool> is_in_poll_{false};
  std::atomic<bool> awaits_poll_{false};
  std::atomic<std::int64_t> last_poll_{-1};
};

}  // namespace dohle::client
