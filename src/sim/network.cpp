#include "sim/network.hpp"

#include <algorithm>
#include <utility>

#include "sim/machine.hpp"
#include "sim/process_loop.hpp"
#include "sim/stream.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

namespace {

constexpr std::uint16_t port_min = 32'768;
constexpr std::uint16_t port_max = 60'999;
constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;

bool is_own_machine(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "::1";
}

bool is_any_address(std::string_view host) {
  return host.empty() || host == "0.0.0.0" || host == "::";
}

}  // namespace

/// The Listener that a process holds.
class ListenerHandle final : public Listener {
 public:
  explicit ListenerHandle(Network& network, std::shared_ptr<ListenerPort> port)
      : network_(network), port_(std::move(port)) {}
  ~ListenerHandle() override { network_.close_port(*port_); }

  [[nodiscard]] const Endpoint& local() const override { return port_->local(); }
  void pause() override { port_->pause(); }
  void resume() override { port_->resume(); }

 private:
  Network& network_;
  std::shared_ptr<ListenerPort> port_;
};

Network::Network(World& world, const NetworkOptions& options, SeededRandom random)
    : world_(world), options_(options), random_(std::move(random)) {}

Network::~Network() = default;

Network::Link& Network::link(std::size_t from, std::size_t to) {
  const auto [at, is_new] = links_.try_emplace({from, to});
  if (is_new) at->second.options = from == to ? options_.loopback : options_.link;
  return at->second;
}

std::size_t Network::index_of(std::string_view machine) {
  return world_.machine(machine).index();
}

// Calls of the test.

void Network::set_link(std::string_view a, std::string_view b, const LinkOptions& options) {
  link(index_of(a), index_of(b)).options = options;
  link(index_of(b), index_of(a)).options = options;
}

void Network::cut_link(std::size_t from, std::size_t to, bool both_ways) {
  Link& cut = link(from, to);
  cut.is_cut = true;
  cut.is_cut_both_ways = both_ways;
  cut.has_bitten = false;
}

void Network::cut(std::string_view a, std::string_view b) {
  if (world_.is_traced())
    world_.trace("network", std::string(a) + " <> " + std::string(b) + " cut");
  cut_link(index_of(a), index_of(b), true);
  cut_link(index_of(b), index_of(a), true);
}

void Network::cut_one_way(std::string_view from, std::string_view to) {
  if (world_.is_traced()) {
    world_.trace("network", std::string(from) + " > " + std::string(to) + " cut");
  }
  cut_link(index_of(from), index_of(to), false);
}

void Network::slow(std::string_view a, std::string_view b, std::uint64_t factor,
                   std::uint64_t bytes_per_second) {
  for (Link* slowed : {&link(index_of(a), index_of(b)), &link(index_of(b), index_of(a))}) {
    slowed->is_slow = true;
    slowed->has_bitten = false;
    slowed->slow_factor = factor;
    slowed->slow_bytes_per_second = bytes_per_second;
  }
}

void Network::heal(std::string_view a, std::string_view b) {
  if (world_.is_traced()) {
    world_.trace("network", std::string(a) + " <> " + std::string(b) + " healed");
  }
  for (Link* healed : {&link(index_of(a), index_of(b)), &link(index_of(b), index_of(a))}) {
    healed->is_cut = healed->is_slow = false;
  }
  for (const auto& stream : streams_) {
    if (stream->connects(&world_.machine(a), &world_.machine(b))) stream->let_go();
  }
}

std::size_t Network::hold_back(std::string_view from, std::string_view to) {
  const Machine& sender = world_.machine(from);
  std::size_t count = 0;
  for (const auto& stream : streams_) {
    if (!stream->is_open() || !stream->connects(&sender, &world_.machine(to))) continue;
    stream->hold_back(sender);
    ++count;
  }
  if (world_.is_traced()) {
    world_.trace("network", std::string(from) + " > " + std::string(to) + " holds back " +
                                std::to_string(count) + " connections");
  }
  return count;
}

void Network::refuse(std::string_view machine, bool refuses) {
  if (refuses) {
    refusing_.insert(index_of(machine));
  } else {
    refusing_.erase(index_of(machine));
  }
}

void Network::heal_all() {
  if (world_.is_traced()) world_.trace("network", "healed");
  for (auto& [ends, healed] : links_) healed.is_cut = healed.is_slow = false;
  for (const auto& stream : streams_) stream->let_go();
  refusing_.clear();
}

std::size_t Network::reset(std::string_view a, std::string_view b) {
  const Machine& one = world_.machine(a);
  const Machine& two = world_.machine(b);
  std::size_t count = 0;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (!streams_[i]->is_open() || !streams_[i]->connects(&one, &two)) continue;
    world_.bitten(Fault::reset, "network", one.name() + " <> " + two.name());
    streams_[i]->reset();
    ++count;
  }
  return count;
}

std::size_t Network::open_connections() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(streams_, [](const auto& stream) { return stream->is_open(); }));
}

// Calls of streams.

Duration Network::transfer_time(std::size_t from, std::size_t to, std::size_t bytes) {
  Link& used = link(from, to);
  const LinkOptions& options = used.options;
  Duration time = options.latency +
                  Duration(random_.below(static_cast<std::uint64_t>(options.jitter.count()) + 1));
  if (options.spike_one_in != 0 && random_.below(options.spike_one_in) == 0) {
    time += Duration(random_.below(static_cast<std::uint64_t>(options.spike.count()) + 1));
  }
  std::uint64_t rate = options.bytes_per_second;
  if (used.is_slow) {
    time *= static_cast<Duration::rep>(used.slow_factor);
    rate = used.slow_bytes_per_second;
    if (!std::exchange(used.has_bitten, true)) world_.bitten(Fault::slow_link, "network", "slow");
  }
  if (rate == 0) return time;
  used.line_free = std::max(used.line_free, world_.now()) +
                   Duration(static_cast<std::uint64_t>(bytes) * nanoseconds_per_second / rate);
  return time + (used.line_free - world_.now());
}

bool Network::is_stopped(std::size_t from, std::size_t to) {
  Link& used = link(from, to);
  if (!used.is_cut) return false;
  if (!std::exchange(used.has_bitten, true)) {
    world_.bitten(used.is_cut_both_ways ? Fault::cut : Fault::cut_one_way, "network",
                  "a cut stopped bytes");
  }
  return true;
}

Machine* Network::resolve(std::string_view host, ProcessLoop& from) {
  if (is_own_machine(host)) return &from.machine();
  const auto at = world_.machines().find(host);
  return at == world_.machines().end() ? nullptr : at->second.get();
}

std::shared_ptr<ListenerPort> Network::port_for(Machine& machine, std::uint16_t port) {
  if (refusing_.contains(machine.index())) {
    world_.bitten(Fault::refuse, machine.name(), "refuses a connection");
    return nullptr;
  }
  const auto at = listeners_.find({machine.index(), port});
  return at == listeners_.end() ? nullptr : at->second;
}

std::uint16_t Network::next_port() {
  last_port_ = last_port_ == port_max ? port_min : static_cast<std::uint16_t>(last_port_ + 1);
  return last_port_;
}

// Calls of processes.

void Network::forget_closed() {
  if (streams_.size() < forget_at_) return;
  std::erase_if(streams_, [](const auto& stream) { return stream->is_over(); });
  forget_at_ = streams_.size() * 2 + 64;
}

std::unique_ptr<Connection> Network::dial(ProcessLoop& from, const Endpoint& to,
                                          const DialOptions& options, ConnectionEvents& events,
                                          StreamLayer* layer) {
  forget_closed();
  const auto stream = std::make_shared<Stream>(*this, next_stream_++, from, to, options, layer);
  if (from.is_alive()) streams_.push_back(stream);
  return stream->connect(events);
}

Result<std::unique_ptr<Listener>> Network::listen(ProcessLoop& at, const Endpoint& where,
                                                  const ConnectionLimits& limits,
                                                  Acceptor& acceptor, StreamLayer* layer) {
  const std::string what = "listen on " + where.to_string() + ": ";
  if (!at.is_alive()) return fail(Error::client(Errc::closed, what + "the process has ended"));
  if (!is_any_address(where.host) && resolve(where.host, at) != &at.machine()) {
    return fail(Error::configuration(what + "not an address of this machine"));
  }
  Endpoint local = where;
  const std::size_t machine = at.machine().index();
  while (local.port == 0 || (where.port == 0 && listeners_.contains({machine, local.port}))) {
    local.port = next_port();
  }
  const Port port{machine, local.port};
  if (listeners_.contains(port)) {
    return fail(Error::client(Errc::already_exists, what + "the address is in use"));
  }
  auto made = std::make_shared<ListenerPort>(*this, at, local, limits, acceptor, layer);
  listeners_.emplace(port, made);
  return std::unique_ptr<Listener>(std::make_unique<ListenerHandle>(*this, std::move(made)));
}

void Network::close_port(ListenerPort& port) {
  const auto at = listeners_.find({port.loop().machine().index(), port.local().port});
  if (at != listeners_.end() && at->second.get() == &port) {
    const auto kept = std::move(at->second);
    listeners_.erase(at);
    kept->close();
  }
}

void Network::process_ended(const ProcessLoop& loop, bool others_are_told) {
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    for (const Side side : {Side::dialer, Side::acceptor}) {
      if (streams_[i]->loop(side) == &loop) streams_[i]->process_ended(side, others_are_told);
    }
  }
  std::vector<std::shared_ptr<ListenerPort>> ended;
  for (const auto& [port, listener] : listeners_) {
    if (&listener->loop() == &loop) ended.push_back(listener);
  }
  for (const auto& listener : ended) close_port(*listener);
}

}  // namespace dohle::sim
