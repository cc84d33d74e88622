#include "sim/process.hpp"

#include <utility>

#include "base/assert.hpp"
#include "sim/machine.hpp"
#include "sim/process_disk.hpp"
#include "sim/process_loop.hpp"
#include "sim/workers.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

namespace {

std::string life_name(const std::string& name, std::size_t life) {
  return life == 1 ? name : name + "#" + std::to_string(life);
}

}  // namespace

/// The network as a process sees it.
class Sockets final : public ConnectionDialer, public Listening {
 public:
  Sockets(ProcessLoop& loop, StreamLayer* layer) : loop_(loop), layer_(layer) {}

  std::unique_ptr<Connection> dial(const Endpoint& to, const DialOptions& options,
                                   ConnectionEvents& events) override {
    return loop_.world().network().dial(loop_, to, options, events, layer_);
  }
  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, const ConnectionLimits& limits,
                                           Acceptor& acceptor) override {
    return loop_.world().network().listen(loop_, at, limits, acceptor, layer_);
  }

 private:
  ProcessLoop& loop_;
  StreamLayer* const layer_;
};

/// One life of a process: its interfaces and the result of its program.
class ProcessLife {
 public:
  ProcessLife(Machine& machine, const std::string& name)
      : loop(machine, name, machine.world().stream(machine.name() + "/" + name + "/loop")),
        random(machine.world().stream(machine.name() + "/" + name + "/random")),
        secure_random(
            machine.world().stream(machine.name() + "/" + name + "/secure_random").next()),
        disk(machine.disk().for_process(loop)),
        workers(loop, machine.world().stream(machine.name() + "/" + name + "/workers")),
        sockets(loop, nullptr) {}

  /// Tasks are destroyed first: their captures may refer to the program's objects.
  void release() {
    loop.clear();
    workers.clear();
    disk->clear();
    state.reset();
  }

  ProcessLoop loop;
  SeededRandom random;
  SeededSecureRandom secure_random;
  std::unique_ptr<ProcessDisk> disk;
  SimWorkers workers;
  Sockets sockets;
  std::shared_ptr<void> state;
};

Process::Process(Machine& machine, std::string name, Program program)
    : machine_(machine), name_(std::move(name)), program_(std::move(program)) {}

Process::~Process() = default;

bool Process::is_running() const {
  return !lives_.empty() && lives_.back()->loop.is_alive();
}

Executor& Process::executor() {
  return present().loop;
}
Clock& Process::clock() {
  return present().loop;
}
Random& Process::random() {
  return present().random;
}
SecureRandom& Process::secure_random() {
  return present().secure_random;
}
ConnectionDialer& Process::dialer() {
  return present().sockets;
}
Listening& Process::listening() {
  return present().sockets;
}
std::unique_ptr<ConnectionDialer> Process::dialer(StreamLayer& layer) {
  return std::make_unique<Sockets>(present().loop, &layer);
}
std::unique_ptr<Listening> Process::listening(StreamLayer& layer) {
  return std::make_unique<Sockets>(present().loop, &layer);
}
Disk& Process::disk() {
  return *present().disk;
}
Workers& Process::workers() {
  return present().workers;
}
void Process::after_each_turn(Task check) {
  present().loop.after_each_turn(std::move(check));
}
void* Process::program_state() {
  return present().state.get();
}

void Process::kill() {
  if (!is_running()) return;
  machine_.world().bitten(Fault::kill, name_, "killed");
  end(End::killed);
}

void Process::end(End how) {
  ProcessLife& life = present();
  World& world = machine_.world();
  life.loop.die();
  world.network().process_ended(life.loop, how == End::killed);
  if (world.running() == &life.loop) {
    world.after({}, [&life] { life.release(); });
  } else {
    life.release();
  }
}

void Process::restart() {
  DOHLE_ASSERT(machine_.is_up(), "a process starts on a machine that is down");
  if (is_running()) kill();
  const std::string name = life_name(name_, lives_.size() + 1);
  lives_.push_back(std::make_unique<ProcessLife>(machine_, name));
  if (machine_.world().is_traced()) machine_.world().trace(name, "starts");
  ProcessLife& life = present();
  life.loop.post([this, &life] { life.state = program_(*this); });
}

Duration Process::paused_for() const {
  return lives_.back()->loop.paused_for();
}

void Process::pause(Duration span) {
  if (!is_running()) return;
  present().loop.pause(span);
}

}  // namespace dohle::sim
