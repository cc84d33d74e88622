#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace dohle::fault {

/// Judges the history of a few groups: each message that is handled again needs a reason. The
/// history is a text with one line for each thing that happens, in their order:
///
///     handled GROUP TOPIC PARTITION OFFSET ATTEMPT MESSAGE MEMBER
///     assigned GROUP MEMBER
///     lost GROUP MEMBER
///     begins WHAT
///     over
///     committed GROUP TOPIC PARTITION OFFSET
///
/// `handled`: a handler begins; MESSAGE is the same in retry topics. `assigned`: a member begins to
/// read partitions anew. `lost`: a member has lost its partitions; for example, the group continued
/// without it when it stalled for longer than its session. `begins`: a kill or a cut is about to
/// happen; from the next `over` on it has no effect any more, nor have those before. `committed`:
/// the server names the group's offset.
///
/// A record may be handled again with the next attempt under the same assignment. Otherwise its
/// partitions have to be assigned anew, each time after a loss since the assignment before, or
/// after another kill or cut that may have had its effect since the handling before. Its offset
/// must not be below the committed one. A retry topic has at most one record of a message for each
/// time that the attempt before was made. Not thread safe.
class Redeliveries {
 public:
  /// Reads the rest of the history. A line that it does not understand is a complaint.
  void read(std::istream& history);
  void read_line(const std::string& line);

  /// Each names the place, both handlings and the last commit of the partition that is known.
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }
  [[nodiscard]] std::size_t handlings() const { return handlings_; }
  /// How many of the handlings were of a record that was delivered again.
  [[nodiscard]] std::size_t again() const { return again_; }
  /// How often a member lost its partitions.
  [[nodiscard]] std::size_t losses() const { return losses_; }

 private:
  /// Group, topic, partition, offset.
  using Place = std::tuple<std::string, std::string, std::int32_t, std::int64_t>;
  /// Group, topic, partition.
  using Partition = std::tuple<std::string, std::string, std::int32_t>;
  struct Assignment {
    std::size_t line = 0;
    /// The line of the group's last loss before it. 0: there was none.
    std::size_t lost = 0;
  };
  struct Handling {
    std::size_t line = 0;
    /// The group's last one.
    Assignment assigned = {};
    int attempt = 0;
    std::string message = {};
    std::string member = {};
  };
  struct Record {
    Handling last = {};
    /// The number of kills and cuts up to the one that explained its last redelivery.
    std::size_t explained_by = 0;
  };
  struct Event {
    std::string what;
    std::size_t begins;
    std::optional<std::size_t> over = {};
  };
  struct Commit {
    std::int64_t offset;
    std::size_t line;
  };
  /// The handlings of a message by a group over all topics, by attempt.
  struct Chain {
    std::map<int, int> attempts;
    std::map<int, std::set<Place>> records;
  };

  [[nodiscard]] bool take(const std::string& line);
  [[nodiscard]] bool take_handled(std::istream& words);
  [[nodiscard]] bool take_committed(std::istream& words);
  void handled(const Place& place, Handling now);
  void check_first(const Place& place, const Handling& now);
  /// Notes the kill or cut that explains it.
  void check_again(const Place& place, Record& record, const Handling& now);
  void check_committed(const Place& place, const Handling* before, const Handling& now);
  [[nodiscard]] const Commit* commit_of(const Place& place) const;
  void accuse(const Place& place, const Handling* before, const Handling& now,
              std::string_view of_what);

  std::size_t line_ = 0;
  std::size_t handlings_ = 0;
  std::size_t again_ = 0;
  std::size_t losses_ = 0;
  /// The last one, by group.
  std::map<std::string, Assignment> assigned_;
  /// The line of the last loss, by group.
  std::map<std::string, std::size_t> lost_;
  std::vector<Event> events_;
  std::map<Partition, Commit> commits_;
  std::map<Place, Record> records_;
  /// By group and message.
  std::map<std::pair<std::string, std::string>, Chain> chains_;
  std::vector<std::string> complaints_;
};

}  // namespace dohle::fault
