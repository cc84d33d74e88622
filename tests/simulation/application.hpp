#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/random.hpp"
#include "client/cluster/client_environment.hpp"
#include "client/make_client.hpp"
#include "client/produce/ticking_time.hpp"
#include "sim/machine.hpp"
#include "sim/process.hpp"
#include "sim/threads.hpp"
#include "sim/world.hpp"
#include "simulation/complaints.hpp"
#include "simulation/effects.hpp"

namespace dohle::simulation {

/// State that the applications of one seed share.
struct Stage {
  sim::World& world;
  sim::Threads& threads;
  Complaints& complaints;
  Effects& effects;
  Logger& logger;
  /// Faults are over: no member leaves by itself any more, and handlers are quick.
  bool is_healed = false;
  /// All applications end.
  bool is_closing = false;
};

/// A simulated machine with a process whose threads make blocking calls of the public handles.
class Application {
 public:
  Application(Stage& stage, const std::string& name)
      : stage_(stage),
        name_(name),
        process_(stage.world.machine(name).start(
            name, [](sim::Process&) { return std::make_shared<int>(); })),
        random_(stage.world.stream(name)),
        time_(process_.executor(), process_.clock(), MachineWall{process_}),
        environment_{process_.executor(), process_.dialer(),       process_.clock(),
                     process_.random(),   process_.workers(),      time_,
                     stage.logger,        process_.secure_random()} {}

  [[nodiscard]] Stage& stage() { return stage_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const client::ClientEnvironment& environment() const { return environment_; }
  void start(Task body) { stage_.threads.start(process_, name_, std::move(body)); }

  // Called on its threads.

  [[nodiscard]] TimePoint now() const { return stage_.world.now(); }
  void pass_time(Duration span) {
    const TimePoint end = now() + span;
    while (now() < end) SimulatedThread::here()->stand_still(end);
  }
  [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random_.below(below); }
  [[nodiscard]] bool one_in(std::uint64_t many) { return draw(many) == 0; }
  template <class Span>
  [[nodiscard]] Span up_to(Span most) {
    return Span(
        static_cast<typename Span::rep>(draw(static_cast<std::uint64_t>(most.count()) + 1)));
  }
  void note(std::string_view line) { stage_.world.note(name_, line); }
  void accuse(const std::string& of) { stage_.complaints.add(name_ + ": " + of); }
  [[nodiscard]] Duration stood_still() const { return process_.paused_for(); }

  /// Makes a call that has `timeout` and complains if it takes longer. The time for which its
  /// process is paused, and the growth of `*beside`, do not count.
  template <class Call>
  auto within(std::string_view what, Duration timeout, Call call,
              const Duration* beside = nullptr) {
    const auto not_its = [&] { return stood_still() + (beside ? *beside : Duration{}); };
    const TimePoint began = now();
    const Duration before = not_its();
    auto outcome = call();
    const Duration took = now() - began - (not_its() - before);
    if (took > timeout + slack) {
      accuse(std::string(what) + " took " + in_ms(took) + ", its timeout was " + in_ms(timeout));
    }
    if (!outcome) {
      if (outcome.error().is(Errc::timed_out)) stage_.effects.add(effect::timed_out);
      note(std::string(what) + " fails: " + outcome.error().to_string());
    }
    return outcome;
  }
  static std::string in_ms(Duration span) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(span).count()) +
           " ms";
  }

 private:
  /// Slack for timer ticks and for turns of loop and thread.
  static constexpr Duration slack = std::chrono::milliseconds(10);
  struct MachineWall {
    sim::Process& process;
    Timestamp operator()() const { return process.clock().wall(); }
  };

  Stage& stage_;
  const std::string name_;
  sim::Process& process_;
  SeededRandom random_;
  client::TickingTime<MachineWall> time_;
  const client::ClientEnvironment environment_;
};

}  // namespace dohle::simulation
