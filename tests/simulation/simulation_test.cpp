// The real client and the real node in a simulated world. docs/simulation.md describes the promises
// and the analysis of a failed seed; --help lists the options.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "simulation/scene.hpp"

namespace dohle::simulation {
namespace {

constexpr const char* usage =
    R"(Runs the real client and the real node in a simulated world: one thread, virtual time, and
network, disk and clock whose faults the seed chooses. A seed that fails is printed, with what is
wrong and the command that plays it again.

  simulation_test                    seeds 1..500
  simulation_test --seeds 1..100     those
  simulation_test --seed 17          that one
  simulation_test --seed 17 --trace  and what happens in it, line by line: what programs do, what
                                     becomes of connections, faults (those that met something with
                                     !), the node's own log
  simulation_test --seed 17 --frames and every request and answer, as it is read
  simulation_test --keep-going       plays all seeds, also behind one that fails
  simulation_test --must-find WORDS  succeeds as soon as a seed complains in these words: for a build
                                     with a bug in it

Exit status: 0 all seeds pass; 1 one failed, or of some kind of fault, or of what it leads to, there
were fewer than 20 in 500 seeds (asked of 500 seeds and more); 2 an option makes no sense.
)";
/// From this number of seeds on, each kind of fault and effect has to occur that often.
constexpr std::uint64_t seeds_for_coverage = 500;
constexpr std::uint64_t min_effects = 20;
/// Number of seeds that are played twice, to check that both runs are equal.
constexpr std::uint64_t seeds_played_twice = 5;
constexpr std::size_t min_faults_per_seed = 3;
constexpr std::size_t records_per_seed = 2'000;

void print_line(std::string_view line) {
  std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
}

struct Order {
  std::uint64_t first = 1;
  std::uint64_t last = 500;
  bool traces = false;
  bool traces_frames = false;
  bool keeps_going = false;
  std::optional<std::string> must_find;
  std::string command = "simulation_test";

  [[nodiscard]] Scene::Trace trace() const {
    if (!traces) return {};
    return {print_line, traces_frames};
  }
};

std::string replay(const Order& order, std::uint64_t seed) {
  return "again, with what happens in it: " + order.command + " --seed " + std::to_string(seed) +
         " --trace\n";
}

/// Printed if a seed ends in an abort, as after a failed assertion.
std::string& last_words() {
  static std::string words;
  return words;
}

void on_abort(int) {
  const std::string& words = last_words();
  // A failed write cannot be reported.
  if (write(STDERR_FILENO, words.data(), words.size()) < 0) return;
}

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
  bool is_named = false;
  std::uint64_t hash = 0;
};

Played play(const Order& order, std::uint64_t seed, Scene::Trace trace, Sums& sums) {
  Scene scene(seed, std::move(trace));
  scene.play();
  Played played{scene.complaints().text(),
                order.must_find && scene.complaints().name(*order.must_find),
                scene.world().trace_hash()};
  const std::size_t more = scene.complaints().count();
  if (more > 10) played.complaints += "  and more, " + std::to_string(more) + " in all\n";
  if (testing::Test::HasFailure()) played.complaints += "  a check of an answer failed\n";
  const sim::FaultCounts drawn = scene.world().drawn_faults();
  if (drawn.total() < min_faults_per_seed) {
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

/// True if each kind occurred often enough.
bool print_coverage(const Sums& sums, std::uint64_t wanted) {
  bool is_enough = true;
  const auto mark = [&](std::uint64_t count) {
    if (count >= wanted) return "";
    is_enough = false;
    return "  too few";
  };
  std::printf("%-32s%10s%12s\n", "fault", "drawn", "had effect");
  for (std::size_t i = 0; i < sim::fault_kinds; ++i) {
    const auto kind = static_cast<sim::Fault>(i);
    const bool follows = kind == sim::Fault::lost_write || kind == sim::Fault::torn_write ||
                         kind == sim::Fault::lost_entry;
    const std::string drawn = follows ? "-" : std::to_string(sums.drawn.of(kind));
    const std::uint64_t bitten = sums.bitten.of(kind);
    std::printf("  %-30s%10s%12llu%s\n", sim::name_of(kind).data(), drawn.c_str(),
                static_cast<unsigned long long>(bitten), mark(bitten));
  }
  std::printf("what came of it\n");
  for (const std::string_view what : effect::all) {
    const std::size_t count = sums.effects.of(what);
    // Allowed, but it needs a coincidence, so it is not required.
    const bool is_asked_for = what != effect::commit_overtaken;
    std::printf("  %-30s%22zu%s\n", what.data(), count, is_asked_for ? mark(count) : "");
  }
  return is_enough;
}

Played play_and_compare(const Order& order, std::uint64_t seed, Sums& sums) {
  last_words() = "seed " + std::to_string(seed) + " was aborted\n" + replay(order, seed);
  Played played = play(order, seed, order.trace(), sums);
  if (seed < order.first + seeds_played_twice && played.complaints.empty()) {
    Sums unused;
    if (play(order, seed, {}, unused).hash != played.hash) {
      played.complaints = "  played twice, it was not the same\n";
    }
  }
  return played;
}

int run(const Order& order) {
  Sums sums;
  std::uint64_t failed = 0;
  for (std::uint64_t seed = order.first; seed <= order.last; ++seed) {
    const Played played = play_and_compare(order, seed, sums);
    if (played.complaints.empty()) continue;
    ++failed;
    std::printf("seed %llu fails:\n%s%s", static_cast<unsigned long long>(seed),
                played.complaints.c_str(), replay(order, seed).c_str());
    std::fflush(stdout);
    if (order.must_find && played.is_named) return 0;
    if (!order.must_find && !order.keeps_going) return 1;
  }
  const std::uint64_t seeds = order.last - order.first + 1;
  std::printf("%llu %s: %zu records, %llu events\n",
              static_cast<unsigned long long>(seeds - failed),
              seeds - failed == 1 ? "seed passes" : "seeds pass", sums.records,
              static_cast<unsigned long long>(sums.events));
  if (order.must_find) {
    std::printf("and one of them had to complain: %s\n", order.must_find->c_str());
    return 1;
  }
  const bool asks = seeds >= seeds_for_coverage;
  const bool is_enough = print_coverage(sums, asks ? min_effects * seeds / seeds_for_coverage : 0);
  if (!is_enough) std::printf("the seeds do not prove what they should\n");
  return failed == 0 && is_enough ? 0 : 1;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value == 0) return {};
  return value;
}

/// Reads "17" or "1..100".
bool take_seeds(std::string_view text, Order& order) {
  const std::size_t dots = text.find("..");
  const auto first = number(text.substr(0, dots));
  const auto last = dots == std::string_view::npos ? first : number(text.substr(dots + 2));
  if (!first || !last || *first > *last) return false;
  order.first = *first;
  order.last = *last;
  return true;
}

/// Quotes a word for a shell.
std::string quoted(std::string_view word) {
  const bool is_plain = std::ranges::all_of(word, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-./+,=@%").find(c) != std::string_view::npos;
  });
  if (is_plain) return std::string(word);
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

int main_of(int argc, char** argv) {
  Order order;
  order.command = quoted(argv[0]);
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
    if (word == "--trace") {
      order.traces = true;
    } else if (word == "--frames") {
      order.traces = order.traces_frames = true;
    } else if (word == "--keep-going") {
      order.keeps_going = true;
    } else if (word == "--must-find" && i + 1 < argc) {
      order.must_find = argv[++i];
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
  std::signal(SIGABRT, on_abort);
  return run(order);
}

}  // namespace
}  // namespace dohle::simulation

int main(int argc, char** argv) {
  return dohle::simulation::main_of(argc, argv);
}
