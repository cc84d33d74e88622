#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What one message cost, in nanoseconds.
struct Cost {
  /// CPU time of the thread that publishes; 0 where it is not measured.
  double thread_cpu = 0;
  /// CPU time of all threads, those of the node in the program's memory included.
  double process_cpu = 0;
  double time = 0;
};

/// Clocks at one moment.
struct Clocks {
  std::int64_t thread_cpu_ns = 0;
  std::int64_t process_cpu_ns = 0;
  std::int64_t steady_ns = 0;

  /// Of the calling thread.
  [[nodiscard]] static Clocks now();
};

/// The cost of each of `messages` between two moments of the same thread.
[[nodiscard]] Cost cost_between(const Clocks& begin, const Clocks& end, std::size_t messages);

[[nodiscard]] double median(std::vector<double> values);

/// The costs of several contestants, in rounds. The contestants take turns, and each round begins
/// with another one.
class Rounds {
 public:
  explicit Rounds(std::vector<std::string> contestants);

  /// `run(index)` measures one contestant. One more round than `rounds` runs first and is not
  /// counted.
  template <class Run>
  void measure(std::size_t rounds, Run run) {
    for (std::size_t round = 0; round <= rounds; ++round) {
      for (std::size_t turn = 0; turn < contestants_.size(); ++turn) {
        const std::size_t index = (round + turn) % contestants_.size();
        const Cost cost = run(index);
        if (round > 0) contestants_[index].second.push_back(cost);
      }
    }
  }

  /// A line for each contestant: its medians, and how much more than the first one it cost (the
  /// median over the rounds).
  [[nodiscard]] std::string text() const;
  /// {"NAME":{"thread_cpu_ns":[…],"process_cpu_ns":[…],"time_ns":[…]},…}, a number for each round.
  [[nodiscard]] std::string json() const;

 private:
  std::vector<std::pair<std::string, std::vector<Cost>>> contestants_;
};
