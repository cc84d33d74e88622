#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/ids.hpp"

namespace dohle::log {

/// Start offsets of a partition's leader epochs (KIP-101), the contents of leader-epoch-checkpoint.
/// Does no I/O.
class LeaderEpochs {
 public:
  static constexpr std::string_view file_name = "leader-epoch-checkpoint";

  struct Start {
    LeaderEpoch epoch;
    Offset offset;
  };

  /// A batch with this epoch lies at `offset`. Returns true if a new epoch begins there.
  bool assign(LeaderEpoch epoch, Offset offset);
  /// The log was cut at `end`.
  void cut(Offset end);
  /// The log now starts at `start`; the epoch that covers it begins there.
  void begin(Offset start);
  [[nodiscard]] LeaderEpoch latest() const;
  /// The largest epoch up to `wanted` and its end. Both none if `wanted` is none or later than all
  /// epochs.
  [[nodiscard]] Start end_of(LeaderEpoch wanted, Offset log_end) const;

  /// In Apache Kafka's format: "0", the count, then a line "EPOCH OFFSET" for each.
  [[nodiscard]] std::string text() const;
  static std::optional<LeaderEpochs> parse(std::string_view text);

 private:
  std::vector<Start> starts_;
};

}  // namespace dohle::log
