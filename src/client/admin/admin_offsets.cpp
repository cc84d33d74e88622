#include "client/admin/admin_offsets.hpp"

#include <map>
#include <set>

#include "base/topic_name.hpp"
#include "client/admin/admin_topics.hpp"
#include "wire/messages/list_offsets.hpp"

namespace dohle::client {

namespace {

using wire::ListOffsetsRequest;
using wire::ListOffsetsResponse;
using wire::MetadataResponse;

std::vector<std::string> names_of(const std::vector<OffsetQuery>& queries) {
  std::vector<std::string> names;
  for (const OffsetQuery& query : queries) {
    names.push_back(partition_name(query.partition.topic, query.partition.partition));
  }
  return names;
}

/// A round asks for the leaders, then asks each leader. Servers refuse a request with the same
/// partition twice, so a second query about it goes into another request.
class ListOffsets final : public ItemsCall<OffsetAnswer::Found> {
 public:
  ListOffsets(Cluster& cluster, const std::vector<OffsetQuery>& queries, SharedCallTime time,
              Then then)
      : ItemsCall(cluster, std::move(time), "list offset of", names_of(queries), std::move(then)),
        queries_(queries) {}

 private:
  struct Leader {
    NodeId node;
    LeaderEpoch epoch;
  };
  /// The leader, and the number of earlier queries about the same partition.
  using Place = std::pair<NodeId, std::size_t>;
  struct Question {
    ListOffsetsRequest request;
    std::vector<std::size_t> items;
  };

  void ask_about(const std::vector<std::size_t>& pending) override {
    std::set<std::string> topics;
    for (const std::size_t item : pending) topics.insert(partition(item).topic);
    ask(cluster().any_node(), pending, ask_for_topics({topics.begin(), topics.end()}),
        [this, pending](Result<MetadataResponse> answer) {
          if (!answer) return on_lost(pending, answer.error());
          ++answers_;
          ask_leaders(pending, *answer);
        });
  }
  void on_lost(const std::vector<std::size_t>& items, const Error& why) {
    for (const std::size_t item : items) on_item_failure(item, why.within(doing(item)));
  }

  void ask_leaders(const std::vector<std::size_t>& pending, const MetadataResponse& metadata) {
    std::map<Place, Question> questions;
    std::map<TopicPartition, std::size_t> seen;
    for (const std::size_t item : pending) {
      if (!queries_[item].at.is_valid()) {
        settle(item, fail(Error::client(
                         Errc::invalid_argument,
                         doing(item) + ": the time is negative; allowed are 0 and above")));
        continue;
      }
      const auto leader = leader_of(item, metadata);
      if (!leader) continue;
      Question& question = questions[{leader->node, seen[partition(item)]++}];
      question.items.push_back(item);
      add(question.request, item, leader->epoch);
    }
    for (auto& [place, question] : questions) {
      ask(place.first, question.items, std::move(question.request),
          [this, items = question.items](Result<ListOffsetsResponse> answer) {
            if (!answer) return on_lost(items, answer.error());
            for (const std::size_t item : items) take(item, *answer);
          });
    }
  }

  /// If absent, the item was settled or will be repeated.
  std::optional<Leader> leader_of(std::size_t item, const MetadataResponse& metadata) {
    const auto topic = std::ranges::find_if(
        metadata.topics, [&](const auto& each) { return each.name == partition(item).topic; });
    const std::int16_t code = topic != metadata.topics.end() ? topic->error_code
                              : metadata.error_code != broker_error::none
                                  ? metadata.error_code
                                  : broker_error::unknown_topic_or_partition;
    if (code != broker_error::none) {
      on_refusal(item, code);
      return std::nullopt;
    }
    for (const auto& each : topic->partitions) {
      if (each.partition_index != partition(item).partition) continue;
      if (!each.leader_id.is_none()) return Leader{each.leader_id, each.leader_epoch};
      on_refusal(item, broker_error::leader_not_available);
      return std::nullopt;
    }
    settle(item, fail(Error::client(Errc::no_such_partition,
                                    fmt::format("{}: the topic has {} partitions", doing(item),
                                                topic->partitions.size()))));
    return std::nullopt;
  }

  void add(ListOffsetsRequest& request, std::size_t item, LeaderEpoch epoch) {
    const TopicPartition& of = partition(item);
    auto topic =
        std::ranges::find(request.topics, of.topic, &ListOffsetsRequest::ListOffsetsTopic::name);
    if (topic == request.topics.end()) {
      request.topics.push_back({of.topic, {}});
      topic = std::prev(request.topics.end());
    }
    topic->partitions.push_back({of.partition, epoch, queries_[item].at.wire_timestamp()});
  }

  void take(std::size_t item, const ListOffsetsResponse& answer) {
    for (const auto& topic : answer.topics) {
      if (topic.name != partition(item).topic) continue;
      for (const auto& each : topic.partitions) {
        if (each.partition_index != partition(item).partition) continue;
        if (each.error_code != broker_error::none) return on_refusal(item, each.error_code);
        return settle(item, OffsetAnswer::Found{each.offset, each.timestamp, each.leader_epoch});
      }
    }
    settle(item,
           fail(Error::client(Errc::malformed, doing(item) + ": the answer has no entry for it")));
  }
  void on_refusal(std::size_t item, std::int16_t code) {
    const Error why = Error::broker(code, doing(item));
    if (code == broker_error::unknown_topic_or_partition &&
        answers_ < max_unknown_answers(cluster())) {
      return repeat(item, why);
    }
    on_item_failure(item, why);
  }
  [[nodiscard]] const TopicPartition& partition(std::size_t item) const {
    return queries_[item].partition;
  }

  std::vector<OffsetQuery> queries_;
  int answers_ = 0;
};

}  // namespace

void list_offsets(Cluster& cluster, const std::vector<OffsetQuery>& queries, SharedCallTime time,
                  ItemsCall<OffsetAnswer::Found>::Then then) {
  std::make_shared<ListOffsets>(cluster, queries, std::move(time), std::move(then))->start();
}

}  // namespace dohle::client
