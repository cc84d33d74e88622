// The real client and the real node in a simulated world. docs/simulation.md says what is promised
// and how to look into a seed that fails; --help, how to run it.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "simulation/scene.hpp"

namespace dohle::simulation {
namespace {

constexpr const char* usage =
    R"(Runs the real client and the real node in a simulated world: one thread, virtual time, and
network, disk and clock whose faults the seed chooses. A seed that fails is printed.

  simulation_test                    seeds 1..500
  simulation_test --seeds 1..100     those
  simulation_test --seed 17          that one
  simulation_test --seed 17 --trace  and everything that happens in it, line by line
  simulation_test --must-fail        succeeds as soon as a seed fails: for a build with a bug in it

Exit status: 0 all seeds pass; 1 one failed, or some kind of fault never had an effect (asked of
500 seeds and more); 2 an option makes no sense.
)";
/// From so many seeds on, every kind of fault and of effect has to have happened.
constexpr std::uint64_t seeds_for_coverage = 500;
/// So many seeds are played twice, to see that they are the same.
constexpr std::uint64_t seeds_played_twice = 5;
constexpr std::size_t faults_per_seed_min = 3;
constexpr std::size_t records_per_seed = 2'000;

struct Order {
  std::uint64_t first = 1;
  std::uint64_t last = 500;
  bool traces = false;
  bool must_fail = false;
  const char* command = "simulation_test";
};

/// Sums over the seeds of a run.
struct Sums {
  sim::FaultCounts drawn;
  sim::FaultCounts bitten;
  Effects effects;
  std::size_t records = 0;
  std::uint64_t events = 0;
};

struct Played {
  std::string complaints;
  std::uint64_t hash = 0;
};

void print_line(std::string_view line) {
  std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
}

Played play(std::uint64_t seed, bool traces, Sums& sums) {
  Scene scene(seed, traces ? print_line : std::function<void(std::string_view)>());
  scene.play();
  Played played{scene.complaints().text(), scene.world().trace_hash()};
  const std::size_t more = scene.complaints().count();
  if (more > 10) played.complaints += "  and more, " + std::to_string(more) + " in all\n";
  if (testing::Test::HasFailure()) played.complaints += "  a check of an answer failed\n";
  const sim::FaultCounts drawn = scene.world().drawn_faults();
  if (drawn.total() < faults_per_seed_min) {
    played.complaints += "  only " + std::to_string(drawn.total()) + " faults were drawn\n";
  }
  if (scene.ledger().size() != records_per_seed) {
    played.complaints += "  " + std::to_string(scene.ledger().size()) + " records were sent\n";
  }
  sums.drawn += drawn;
  sums.bitten += scene.world().faults();
  sums.effects += scene.effects();
  sums.records += scene.ledger().size();
  sums.events += scene.world().events();
  return played;
}

/// True: every kind is there.
bool print_coverage(const Sums& sums) {
  bool is_whole = true;
  std::printf("%-32s%10s%12s\n", "fault", "drawn", "had effect");
  for (std::size_t i = 0; i < sim::fault_kinds; ++i) {
    const auto kind = static_cast<sim::Fault>(i);
    const bool follows = kind == sim::Fault::lost_write || kind == sim::Fault::torn_write ||
                         kind == sim::Fault::lost_entry;
    const std::string drawn = follows ? "-" : std::to_string(sums.drawn.of(kind));
    std::printf("  %-30s%10s%12llu\n", sim::name_of(kind).data(), drawn.c_str(),
                static_cast<unsigned long long>(sums.bitten.of(kind)));
    // The node syncs a directory in the turn that changed it, and power is lost between turns.
    if (sums.bitten.of(kind) == 0 && kind != sim::Fault::lost_entry) is_whole = false;
  }
  std::printf("what came of it\n");
  for (const std::string_view what : effect::all) {
    std::printf("  %-30s%22zu\n", what.data(), sums.effects.of(what));
    if (sums.effects.of(what) == 0 && what != effect::commit_overtaken) is_whole = false;
  }
  return is_whole;
}

int run(const Order& order) {
  Sums sums;
  for (std::uint64_t seed = order.first; seed <= order.last; ++seed) {
    Played played = play(seed, order.traces, sums);
    if (seed < order.first + seeds_played_twice && played.complaints.empty()) {
      Sums unused;
      if (play(seed, false, unused).hash != played.hash) {
        played.complaints = "  played twice, it was not the same\n";
      }
    }
    if (played.complaints.empty()) continue;
    std::printf("seed %llu fails:\n%s", static_cast<unsigned long long>(seed),
                played.complaints.c_str());
    std::printf("again, with all that happens: %s --seed %llu --trace\n", order.command,
                static_cast<unsigned long long>(seed));
    return order.must_fail ? 0 : 1;
  }
  const std::uint64_t seeds = order.last - order.first + 1;
  std::printf("%llu seeds pass: %zu records, %llu events\n", static_cast<unsigned long long>(seeds),
              sums.records, static_cast<unsigned long long>(sums.events));
  if (order.must_fail) {
    std::printf("and one of them had to fail\n");
    return 1;
  }
  if (print_coverage(sums) || seeds < seeds_for_coverage) return 0;
  std::printf("something above never happened: the seeds do not prove what they should\n");
  return 1;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value == 0) return {};
  return value;
}

/// "17", or "1..100".
bool take_seeds(std::string_view text, Order& order) {
  const std::size_t dots = text.find("..");
  const auto first = number(text.substr(0, dots));
  const auto last = dots == std::string_view::npos ? first : number(text.substr(dots + 2));
  if (!first || !last || *first > *last) return false;
  order.first = *first;
  order.last = *last;
  return true;
}

int main_of(int argc, char** argv) {
  Order order;
  order.command = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
    if (word == "--trace") {
      order.traces = true;
    } else if (word == "--must-fail") {
      order.must_fail = true;
    } else if ((word == "--seed" || word == "--seeds") && i + 1 < argc &&
               take_seeds(argv[i + 1], order)) {
      ++i;
    } else {
      std::fprintf(stderr, "simulation_test: '%s' %s\n", argv[i],
                   word == "--seed" || word == "--seeds"
                       ? "needs a number from 1, or two of them as in 1..100"
                       : "is not an option; --help shows them");
      return 2;
    }
  }
  return run(order);
}

}  // namespace
}  // namespace dohle::simulation

int main(int argc, char** argv) {
  return dohle::simulation::main_of(argc, argv);
}
