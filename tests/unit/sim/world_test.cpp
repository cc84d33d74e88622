#include "sim/world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scripted_peer.hpp"
#include "sim/fault_plan.hpp"

namespace dohle::sim {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Nothing {};
std::shared_ptr<void> idle(Process&) {
  return std::make_shared<Nothing>();
}

TEST(World, events_happen_by_time_and_then_by_the_order_of_scheduling) {
  World world(1);
  std::string order;
  world.after(2s, [&] { order += 'c'; });
  world.after(1s, [&] { order += 'a'; });
  world.after(1s, [&] { order += 'b'; });
  world.run_for(1500ms);
  EXPECT_EQ(order, "ab");
  world.run_for(500ms);
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(world.now().time_since_epoch(), 3s);
}

TEST(World, run_until_stops_at_the_condition_or_the_limit) {
  World world(1);
  bool reached = false;
  world.after(1s, [&] { reached = true; });
  EXPECT_TRUE(world.run_until([&] { return reached; }, 5s));
  EXPECT_EQ(world.now().time_since_epoch(), 2s);
  EXPECT_FALSE(world.run_until([] { return false; }, 5s));
  EXPECT_EQ(world.now().time_since_epoch(), 7s);
}

TEST(World, tasks_of_a_loop_run_in_order_on_its_thread) {
  World world(1);
  Process& process = world.machine("m").start("p", idle);
  std::string order;
  process.executor().post([&] {
    order += 'a';
    EXPECT_TRUE(process.executor().is_loop_thread());
    process.executor().post([&] { order += 'c'; });
  });
  process.executor().post([&] { order += 'b'; });
  EXPECT_EQ(order, "");
  world.run_for(1ms);
  EXPECT_EQ(order, "abc");
}

TEST(World, another_process_is_not_the_loop_thread) {
  World world(1);
  Process& one = world.machine("m").start("one", idle);
  Process& two = world.machine("m").start("two", idle);
  bool asked = false;
  one.executor().post([&] {
    EXPECT_FALSE(two.executor().is_loop_thread());
    asked = true;
  });
  world.run_for(1ms);
  EXPECT_TRUE(asked);
}

TEST(World, a_timer_fires_at_its_millisecond_and_not_before) {
  World world(1);
  Process& process = world.machine("m").start("p", idle);
  world.run_for(500us);
  const TimePoint due = world.now() + 10ms;
  TimePoint fired = never;
  process.executor().arm(due, [&] { fired = process.executor().tick().mono; });
  world.run_for(20ms);
  EXPECT_GE(fired, due);
  EXPECT_LT(fired, due + 2ms);
}

TEST(World, a_cancelled_timer_does_not_fire_even_when_it_is_due_in_this_turn) {
  World world(1);
  Process& process = world.machine("m").start("p", idle);
  world.run_for(1ms);
  bool fired = false;
  Executor& loop = process.executor();
  const TimerId due = loop.arm(world.now() + 5ms, [&] { fired = true; });
  process.pause(10ms);
  loop.post([&] { loop.cancel(due); });
  world.run_for(50ms);
  EXPECT_FALSE(fired);
  loop.cancel(due);
  loop.cancel(0);
}

TEST(World, a_paused_process_does_nothing_until_it_resumes) {
  World world(1);
  Process& process = world.machine("m").start("p", idle);
  world.run_for(1ms);
  process.pause(3s);
  bool ran = false;
  process.executor().post([&] { ran = true; });
  world.run_for(2900ms);
  EXPECT_FALSE(ran);
  world.run_for(200ms);
  EXPECT_TRUE(ran);
  EXPECT_EQ(world.faults().of(Fault::pause), 1u);
}

TEST(World, a_killed_process_loses_its_tasks_timers_and_objects) {
  World world(1);
  std::weak_ptr<Nothing> object;
  Process& process = world.machine("m").start("p", [&](Process&) {
    auto made = std::make_shared<Nothing>();
    object = made;
    return made;
  });
  world.run_for(1ms);
  Executor& loop = process.executor();
  auto token = std::make_shared<int>(0);
  const std::weak_ptr<int> held = token;
  loop.arm(world.now() + 1s, [token] { FAIL() << "a timer of the dead"; });
  loop.post([token] { FAIL() << "a task of the dead"; });
  process.workers().run([token] { FAIL(); }, loop, [] { FAIL(); });
  process.disk().run([token = std::move(token)] { FAIL(); }, [] { FAIL(); });
  process.kill();
  EXPECT_TRUE(held.expired());
  EXPECT_TRUE(object.expired());
  EXPECT_FALSE(process.is_running());
  loop.post([] { FAIL() << "posted to the dead"; });
  EXPECT_EQ(loop.arm(world.now(), [] { FAIL(); }), 0u);
  world.run_for(2s);
}

TEST(World, a_process_may_end_in_its_own_turn) {
  World world(1);
  Process& process = world.machine("m").start("p", idle);
  world.run_for(1ms);
  bool later = false;
  process.executor().post([&] { process.kill(); });
  process.executor().post([&] { later = true; });
  world.run_for(1ms);
  EXPECT_FALSE(later);
  EXPECT_FALSE(process.is_running());
}

TEST(World, a_restart_runs_the_program_again) {
  World world(1);
  std::vector<unsigned> lives;
  std::vector<std::uint64_t> numbers;
  Process& process = world.machine("m").start("p", [&](Process& self) {
    lives.push_back(self.life());
    numbers.push_back(self.random().next());
    return std::make_shared<Nothing>();
  });
  world.run_for(1ms);
  process.restart();
  world.run_for(1ms);
  EXPECT_THAT(lives, ElementsAre(1, 2));
  EXPECT_NE(numbers[0], numbers[1]);
  EXPECT_EQ(world.faults().of(Fault::kill), 1u);
}

TEST(World, power_restarts_the_programs_that_ran) {
  World world(1);
  Machine& machine = world.machine("m");
  Process& runs = machine.start("runs", idle);
  Process& ended = machine.start("ended", idle);
  world.run_for(1ms);
  ended.kill();
  machine.lose_power();
  EXPECT_FALSE(runs.is_running());
  machine.power_on();
  EXPECT_TRUE(runs.is_running());
  EXPECT_FALSE(ended.is_running());
}

TEST(World, a_wall_clock_may_jump_and_monotonic_time_does_not) {
  World world(1);
  Machine& machine = world.machine("m");
  Process& process = machine.start("p", idle);
  const Now before = process.clock().now();
  machine.jump_wall_clock(-5s);
  const Now after = process.clock().now();
  EXPECT_EQ(after.mono, before.mono);
  EXPECT_EQ(after.wall.value, before.wall.value - 5000);
  EXPECT_EQ(world.faults().of(Fault::clock_jump), 1u);
}

TEST(World, workers_run_a_job_beside_the_loop_and_answer_on_it) {
  World world(1);
  Process& process = world.machine("m").start("p", idle);
  std::string order;
  process.workers().run(
      [&] {
        order += 'j';
        EXPECT_FALSE(process.executor().is_loop_thread());
      },
      process.executor(),
      [&] {
        order += 'd';
        EXPECT_TRUE(process.executor().is_loop_thread());
      });
  EXPECT_EQ(order, "");
  world.run_for(2ms);
  EXPECT_EQ(order, "jd");
}

TEST(World, a_trace_is_readable) {
  std::vector<std::string> lines;
  WorldOptions options;
  options.trace = [&](std::string_view line) { lines.emplace_back(line); };
  World world(1, options);
  world.machine("node").start("node", idle);
  world.run_for(1500ms);
  world.note("test", "halfway");
  world.machine("node").lose_power();
  EXPECT_THAT(lines, Contains("[   2.500000] test: halfway"));
  EXPECT_THAT(lines, Contains("[   2.500000] node: ! power_loss: loses power"));
}

TEST(FaultCounts, name_kinds_that_did_not_occur) {
  FaultCounts sum;
  FaultCounts one;
  one.add(Fault::cut);
  sum += one;
  sum += one;
  EXPECT_EQ(sum.of(Fault::cut), 2u);
  EXPECT_EQ(sum.total(), 2u);
  EXPECT_EQ(sum.missing().size(), fault_kinds - 1);
  EXPECT_EQ(name_of(Fault::lost_entry), "lost_entry");
}

// A small system under all faults: a node that appends received bytes to a file, syncs and answers;
// a client that sends numbers one by one and dials again after a lost or silent connection.

class Appender final : public Acceptor {
 public:
  explicit Appender(Process& self) : self_(self) {
    (void)self.disk().make_directories("/data");
    file_ = self.disk().open("/data/log", OpenMode::create).value();
    unsynced_ = self.disk().open("/data/unsynced", OpenMode::create).value();
    (void)self.disk().sync_directory("/");
    (void)self.disk().sync_directory("/data");
    listener_ = self.listening().listen({"0.0.0.0", 9092}, {}, *this).value();
  }
  ConnectionEvents* on_accept(std::unique_ptr<Connection> connection) override {
    sessions_.push_back(std::make_unique<Session>(*this, std::move(connection)));
    return sessions_.back().get();
  }

 private:
  struct Session final : ConnectionEvents {
    Session(Appender& of, std::unique_ptr<Connection> with)
        : appender(of), connection(std::move(with)) {}
    void on_open() override {}
    Admission on_frame_length(std::size_t) override { return Admission::accept; }
    void on_frame(Slice frame) override { appender.append(*this, std::move(frame)); }
    void on_closed(Error) override {}
    Appender& appender;
    std::unique_ptr<Connection> connection;
  };

  void append(Session& session, Slice frame) {
    if (++appended_ % 20 == 0) (void)self_.disk().open(next_name(), OpenMode::create);
    const Bytes bytes = frame.bytes();
    (void)unsynced_->write(unsynced_->size(), {&bytes, 1});
    if (!file_->write(file_->size(), {&bytes, 1})) return;
    self_.disk().sync({file_}, [this, &session, frame](Result<void> synced) {
      if (synced) {
        session.connection->send(framed(frame.text()));
      } else {
        // A failed file stays failed, so the process restarts.
        self_.restart();
      }
    });
  }

  std::string next_name() const { return "/data/" + std::to_string(appended_); }

  Process& self_;
  int appended_ = 0;
  std::shared_ptr<File> file_;
  std::shared_ptr<File> unsynced_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

class Sender final : public ConnectionEvents {
 public:
  explicit Sender(Process& self) : self_(self) { dial(); }
  void on_open() override { send(); }
  Admission on_frame_length(std::size_t) override { return Admission::accept; }
  void on_frame(Slice) override {
    ++answered;
    send();
  }
  void on_closed(Error) override { again(100ms); }

  int answered = 0;

 private:
  void dial() {
    connection_ = self_.dialer().dial({"node", 9092}, {.limits = {}, .connect_timeout = 2s}, *this);
    again(3s);
  }
  void send() {
    again(1s);
    self_.executor().arm(self_.clock().mono() + 15ms, [this] {
      connection_->send(framed(std::string(1500, static_cast<char>('a' + answered % 26))));
    });
  }
  void again(Duration delay) {
    self_.executor().cancel(timer_);
    timer_ = self_.executor().arm(self_.clock().mono() + delay, [this] { dial(); });
  }

  Process& self_;
  std::unique_ptr<Connection> connection_;
  TimerId timer_ = 0;
};

struct Outcome {
  std::uint64_t hash;
  int answered;
  FaultCounts faults;
};

Outcome run_system(std::uint64_t seed) {
  World world(seed);
  world.machine("node").start("node",
                              [](Process& self) { return std::make_shared<Appender>(self); });
  Process& client = world.machine("client").start(
      "client", [](Process& self) { return std::make_shared<Sender>(self); });
  FaultPlan plan;
  plan.mean_gap = 2s;
  plan.max_lasting = 4s;
  schedule_faults(world, plan);
  world.run_for(60s);
  const int before = client.running_as<Sender>()->answered;
  world.run_for(5s);
  EXPECT_GT(client.running_as<Sender>()->answered, before) << "no progress, seed " << seed;
  return {world.trace_hash(), before, world.faults()};
}

TEST(Simulation, the_same_seed_gives_the_same_run_and_another_one_does_not) {
  const Outcome first = run_system(7);
  const Outcome again = run_system(7);
  const Outcome other = run_system(8);
  EXPECT_EQ(first.hash, again.hash);
  EXPECT_EQ(first.answered, again.answered);
  EXPECT_NE(first.hash, other.hash);
}

TEST(Simulation, every_kind_of_fault_has_an_effect_within_some_seeds) {
  FaultCounts sum;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) sum += run_system(seed).faults;
  for (const Fault fault : sum.missing()) ADD_FAILURE() << name_of(fault) << " never happened";
}

}  // namespace
}  // namespace dohle::sim
