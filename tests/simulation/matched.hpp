#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/ids.hpp"
#include "simulation/complaints.hpp"

namespace dohle::simulation {

/// The records of the topics "sensor.…", which are created, deleted and created again, and the
/// handlings of their records by the group "sensors". A topic that is created again is another one
/// here. The members share it.
class Matched {
 public:
  static constexpr std::size_t partitions = 2;
  /// Ends the name of a topic's only retry topic in this group.
  static constexpr std::string_view retry_end = ".sensors.retry.500ms";

  /// The promise about the handling of a topic's records.
  enum class Promise {
    handled,    ///< each acknowledged one is handled
    none,       ///< they may be lost: the topic was deleted, or replaced while it was read
    unmatched,  ///< the pattern leaves the topic out, so none is handled
  };

  explicit Matched(Complaints& complaints) : complaints_(complaints) {}

  // The topics.

  /// A topic exists. Returns its number.
  std::size_t created(const std::string& name, Promise promise) {
    current_.insert_or_assign(name, topics_.size());
    topics_.push_back({name, promise});
    return topics_.size() - 1;
  }
  /// Nothing of it has to be handled from now on.
  void released(std::size_t topic) {
    topics_.at(topic).promise = Promise::none;
    // The offsets of the next topic of its name begin anew. A member may be assigned that one
    // before it counts as created here.
    const std::string& name = topics_[topic].name;
    std::erase_if(committed_, [&](const auto& each) { return each.first.topic == name; });
  }
  /// A record is about to be published. Returns its number, which is its body.
  std::size_t sent(std::size_t topic, PartitionId partition) {
    records_.push_back({topic, partition, {}, 0});
    return records_.size() - 1;
  }
  void acknowledged(std::size_t record, Offset offset) { records_.at(record).offset = offset; }

  // The members.

  /// Whether a member's subscription reads partitions of that topic.
  [[nodiscard]] bool is_read(const std::string& name) const {
    return std::ranges::any_of(assigned_, [&](const auto& member) {
      return std::ranges::any_of(member.second, [&](const auto& each) {
        return each.topic == name || each.topic == name + std::string(retry_end);
      });
    });
  }
  void assigned(const std::string& member, std::vector<TopicPartition> partitions) {
    assigned_.insert_or_assign(member, std::move(partitions));
  }
  /// Its subscription has seen the list of topics.
  void ready(const std::string& member) { ready_.insert(member); }
  [[nodiscard]] std::size_t members_ready() const { return ready_.size(); }

  /// A subscription says that this is committed. It does not count for topics that were replaced
  /// while they were read: it may be that of the topic before.
  void committed(const TopicPartition& partition, Offset offset) {
    const auto topic = current_.find(partition.topic);
    if (topic == current_.end() || topics_[topic->second].promise != Promise::handled) return;
    std::int64_t& known = committed_[partition];
    known = std::max(known, offset.value);
  }
  /// The largest offset that is known to be committed.
  [[nodiscard]] std::int64_t committed(const TopicPartition& partition) const {
    const auto known = committed_.find(partition);
    return known == committed_.end() ? 0 : known->second;
  }
  /// Whether records of that topic are promised to be handled.
  [[nodiscard]] bool is_promised(const std::string& name) const {
    const auto topic = current_.find(name);
    return topic != current_.end() && topics_[topic->second].promise == Promise::handled;
  }

  /// A handler begins with a record of that topic, or of its retry topic.
  void begins(std::size_t record, const std::string& topic) {
    if (record >= records_.size()) {
      return complaints_.add("sensors: record " + std::to_string(record) + " of " + topic +
                             " was never published");
    }
    const Topic& of = topics_[records_[record].topic];
    if (topic != of.name && topic != of.name + std::string(retry_end)) {
      accuse(record, "is handled as one of " + topic);
    }
    if (of.promise == Promise::unmatched) accuse(record, "is handled, and must not match");
  }
  /// A handler has accepted the record.
  void handled(std::size_t record) {
    if (record < records_.size()) ++records_[record].handled;
  }
  /// Called once all members have ended.
  void settle() {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const Record& each = records_[i];
      if (topics_[each.topic].promise != Promise::handled) continue;
      if (each.offset && each.handled == 0) accuse(i, "was acknowledged and is not handled");
    }
  }
  [[nodiscard]] std::size_t again() const {
    std::size_t count = 0;
    for (const Record& each : records_) count += each.handled > 1 ? each.handled - 1 : 0;
    return count;
  }

 private:
  struct Topic {
    std::string name;
    Promise promise;
  };
  struct Record {
    std::size_t topic;
    PartitionId partition;
    /// Absent unless it was acknowledged.
    std::optional<Offset> offset;
    std::size_t handled;
  };

  void accuse(std::size_t record, const std::string& of_what) {
    const Record& each = records_[record];
    complaints_.add("sensors: record " + std::to_string(record) + " of " +
                    topics_[each.topic].name + " (topic " + std::to_string(each.topic) +
                    "), partition " + std::to_string(each.partition.value) + ", " +
                    (each.offset ? "offset " + std::to_string(each.offset->value)
                                 : std::string("not acknowledged")) +
                    ", " + of_what);
  }

  Complaints& complaints_;
  std::vector<Topic> topics_;
  /// The newest of each name.
  std::map<std::string, std::size_t> current_;
  std::vector<Record> records_;
  std::map<TopicPartition, std::int64_t> committed_;
  /// The assigned partitions of each member.
  std::map<std::string, std::vector<TopicPartition>> assigned_;
  std::set<std::string> ready_;
};

}  // namespace dohle::simulation
