#include "dohle/node.hpp"

#include <future>
#include <optional>

#include "disk/file_disk.hpp"
#include "disk/memory_disk.hpp"
#include "net/loop.hpp"
#include "net/system.hpp"
#include "net/tcp.hpp"
#include "node/engine.hpp"

namespace dohle {
inline namespace v0 {

namespace {

constexpr std::string_view in_memory = ":memory:";

Result<void> check_range(std::string_view name, std::size_t value, std::size_t lowest,
                         std::size_t highest) {
  if (value >= lowest && value <= highest) return {};
  return fail(Error::configuration(std::string(name) + " is " + std::to_string(value) +
                                   "; allowed are " + std::to_string(lowest) + " to " +
                                   std::to_string(highest)));
}

Result<node::Settings> settings_of(const NodeOptions& options) {
  if (options.data_dir.empty()) {
    return fail(Error::configuration("data_dir is empty; a directory or :memory: is needed"));
  }
  node::Settings settings;
  settings.data_directory = options.data_dir == in_memory ? "/node" : options.data_dir;
  auto listen = Endpoint::parse(options.listen);
  if (!listen) return fail(listen.error());
  settings.listen = *listen;
  if (!options.advertise.empty()) {
    auto advertise = Endpoint::parse(options.advertise);
    if (!advertise) return fail(advertise.error());
    settings.advertise = *advertise;
  }
  auto checked = check_range("connections_max", options.connections_max, 1, 100'000);
  if (checked) {
    checked = check_range("request_bytes_max", options.request_bytes_max, 1024, INT32_MAX);
  }
  if (checked) {
    checked = check_range("requests_bytes_max", options.requests_bytes_max, 1024, SIZE_MAX);
  }
  if (!checked) return fail(checked.error());
  settings.durability = options.durability;
  settings.auto_create_topics = options.auto_create_topics;
  settings.connections_max = options.connections_max;
  settings.request_bytes_max = options.request_bytes_max;
  settings.requests_bytes_max = options.requests_bytes_max;
  return settings;
}

}  // namespace

Result<Durability> parse_durability(std::string_view text) {
  if (text == "fsync") return Durability::fsync;
  if (text == "os") return Durability::os;
  return fail(Error::configuration("durability \"" + std::string(text) +
                                   "\" is unknown; fsync and os are allowed"));
}

// Members are destroyed from the last to the first: the engine before what it stands on.
struct Node::Parts {
  explicit Parts(const NodeOptions& options)
      : logger(options.logger ? options.logger : stderr_logger()), listening(loop, logger) {
    if (options.data_dir == in_memory) {
      disk = std::make_unique<disk::MemoryDisk>(loop);
    } else {
      disk = std::make_unique<disk::FileDisk>(loop);
    }
  }

  /// Runs `work` on the loop and waits for what it returns.
  template <class Work>
  Result<void> on_loop(Work work) {
    std::promise<Result<void>> promise;
    auto outcome = promise.get_future();
    loop.post([&] { promise.set_value(work()); });
    return outcome.get();
  }

  std::shared_ptr<Logger> logger;
  net::Loop loop;
  net::SystemRandom random;
  std::unique_ptr<Disk> disk;
  net::TcpListening listening;
  std::unique_ptr<node::Engine> engine;
  std::string address;
  bool is_closed = false;
};

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Node::Node(Node&&) noexcept = default;

Node& Node::operator=(Node&& other) noexcept {
  std::swap(parts_, other.parts_);
  return *this;
}

Node::~Node() {
  if (parts_ == nullptr) return;
  if (auto closed = close(); !closed) {
    parts_->logger->log(LogLevel::error, "node", closed.error().to_string());
  }
}

Result<Node> Node::start(NodeOptions options) {
  auto settings = settings_of(options);
  if (!settings) return fail(settings.error());
  auto parts = std::make_unique<Parts>(options);
  parts->loop.start("dohle-node");
  auto started = parts->on_loop([&]() -> Result<void> {
    parts->engine = std::make_unique<node::Engine>(
        node::Environment{parts->loop, *parts->disk, parts->listening, parts->random,
                          *parts->logger},
        *settings);
    auto outcome = parts->engine->start();
    if (outcome) parts->address = parts->engine->local().to_string();
    return outcome;
  });
  if (!started) {
    (void)parts->on_loop([&]() -> Result<void> { return parts->engine.reset(), Result<void>(); });
    parts->loop.stop();
    parts->loop.join();
    return fail(started.error());
  }
  return Node(std::move(parts));
}

const std::string& Node::address() const {
  return parts_->address;
}

Result<void> Node::close() {
  if (parts_->is_closed) return {};
  parts_->is_closed = true;
  auto stopped = parts_->on_loop([&] {
    auto outcome = parts_->engine->stop();
    parts_->engine.reset();
    return outcome;
  });
  parts_->loop.stop();
  parts_->loop.join();
  return stopped;
}

}  // namespace v0
}  // namespace dohle
