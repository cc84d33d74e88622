// The public handles (Producer, Consumer, Admin, Broker, Subscriber) against the real node in a
// simulated world, on threads that take turns. docs/simulation.md describes the promises.
//   handles_test [--seeds FIRST..LAST | --seed N] [--trace] [--keep-going] [--must-find WORDS]
// --must-find: for a build with a planted bug; succeeds as soon as a seed complains in these words.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "simulation/handles_scene.hpp"

namespace dohle::simulation {
namespace {

/// From this number of seeds on, each kind of effect has to occur min_effects times.
constexpr std::uint64_t seeds_for_coverage = 200;
constexpr std::size_t min_effects = 10;
/// Number of seeds that are played twice, to check that both runs are equal.
constexpr std::uint64_t seeds_played_twice = 3;

struct Order {
  std::uint64_t first = 1;
  std::uint64_t last = seeds_for_coverage;
  bool traces = false;
  bool keeps_going = false;
  std::optional<std::string> must_find;
};

void print_line(std::string_view line) {
  std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
}

HandlesPlayed play_and_compare(const Order& order, std::uint64_t seed) {
  HandlesPlayed played =
      play_handles(seed, order.traces ? print_line : std::function<void(std::string_view)>());
  const bool is_compared = seed < order.first + seeds_played_twice && !order.must_find;
  if (is_compared && !played.is_stuck && play_handles(seed, {}).hash != played.hash) {
    played.complaints.add("played twice, it was not the same");
  }
  return played;
}

bool print_coverage(const Effects& effects, bool is_asked_for) {
  bool is_enough = true;
  for (const std::string_view what : effect::of_handles) {
    const bool is_short = is_asked_for && effects.of(what) < min_effects;
    std::printf("  %-30s%12zu%s\n", what.data(), effects.of(what), is_short ? "  too few" : "");
    is_enough = is_enough && !is_short;
  }
  return is_enough;
}

int run(const Order& order) {
  Effects effects;
  std::uint64_t events = 0;
  std::uint64_t failed = 0;
  for (std::uint64_t seed = order.first; seed <= order.last; ++seed) {
    const HandlesPlayed played = play_and_compare(order, seed);
    effects += played.effects;
    events += played.events;
    if (played.complaints.count() > 0) {
      ++failed;
      std::printf("seed %llu fails (%zu complaints):\n%s", static_cast<unsigned long long>(seed),
                  played.complaints.count(), played.complaints.text().c_str());
      std::fflush(stdout);
      if (order.must_find && played.complaints.name(*order.must_find)) return 0;
      if (!order.must_find && !order.keeps_going) return 1;
    }
    if (played.is_stuck) return 1;
  }
  const std::uint64_t seeds = order.last - order.first + 1;
  std::printf("%llu of %llu seeds pass: %llu events\n",
              static_cast<unsigned long long>(seeds - failed),
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(events));
  if (order.must_find) {
    std::printf("and one of them had to complain: %s\n", order.must_find->c_str());
    return 1;
  }
  const bool is_enough = print_coverage(effects, seeds >= seeds_for_coverage);
  return failed == 0 && is_enough ? 0 : 1;
}

int main_of(int argc, char** argv) {
  Order order;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--trace") {
      order.traces = true;
    } else if (word == "--keep-going") {
      order.keeps_going = true;
    } else if (word == "--must-find" && i + 1 < argc) {
      order.must_find = argv[++i];
    } else if ((word == "--seed" || word == "--seeds") && i + 1 < argc) {
      char* rest = nullptr;
      order.first = order.last = std::strtoull(argv[++i], &rest, 10);
      if (std::string_view(rest).starts_with(".."))
        order.last = std::strtoull(rest + 2, nullptr, 10);
    } else {
      std::fprintf(stderr, "handles_test: '%s' is not an option, or needs a value\n", argv[i]);
      return 2;
    }
  }
  return run(order);
}

}  // namespace
}  // namespace dohle::simulation

int main(int argc, char** argv) {
  const int status = dohle::simulation::main_of(argc, argv);
  std::fflush(stdout);
  // Not exit(): threads that never end would block it.
  std::_Exit(status);
}
