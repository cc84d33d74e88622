#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dohle/ids.hpp"

namespace dohle::log {

/// Where each leader epoch of a partition began (KIP-101): what leader-epoch-checkpoint holds.
/// Decides; owns no file.
class LeaderEpochs {
 public:
  static constexpr std::string_view file_name = "leader-epoch-checkpoint";

  struct Start {
    LeaderEpoch epoch;
    Offset offset;
  };

  /// A batch with this epoch lies at `offset`. True if that begins a new one.
  bool assign(LeaderEpoch epoch, Offset offset);
  /// Everything from `end` on is gone.
  void cut(Offset end);
  /// Everything below `start` is gone; the epoch that covers it begins there.
  void begin(Offset start);
  [[nodiscard]] LeaderEpoch latest() const;
  /// The largest epoch up to `wanted` and where it ended; none and none when `wanted` is none or
  /// later than all.
  [[nodiscard]] Start end_of(LeaderEpoch wanted, Offset log_end) const;

  /// As Apache Kafka writes it: "0", the count, then "EPOCH OFFSET" a line.
  [[nodiscard]] std::string text() const;
  static std::optional<LeaderEpochs> parse(std::string_view text);

 private:
  std::vector<Start> starts_;
};

}  // namespace dohle::log
