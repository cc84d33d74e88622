#include "messaging/embedded/embedded_node.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/assert.hpp"
#include "base/fork_watch.hpp"
#include "dohle/node.hpp"

namespace dohle::messaging {

namespace {

struct Shared {
  Node node;
  std::optional<std::uint16_t> listen_port;
  std::size_t shares = 0;
};

/// The nodes of this process by key. A node starts and ends under the lock, so that a directory is
/// unlocked again before another thread can open it.
struct Nodes {
  std::mutex mutex;
  std::map<std::string, Shared> by_key;
  const ForkMark made_in = {};
};

/// Never destroyed: a static Broker of the program may end after static objects of this file. A
/// forked child begins without nodes, since its parent's have no threads there, and a thread that
/// does not exist there may hold their lock.
Nodes& nodes() {
  static std::atomic<Nodes*> current = new Nodes;
  Nodes* all = current.load();
  if (!all->made_in.is_forked()) return *all;
  auto fresh = std::make_unique<Nodes>();
  if (current.compare_exchange_strong(all, fresh.get())) all = fresh.release();
  return *all;
}

Result<Node> start(const EmbeddedAddress& address, std::shared_ptr<Logger> logger) {
  NodeOptions options;
  options.data_dir = address.data_dir;
  options.listeners.clear();
  if (address.listen_port) {
    options.listeners.push_back({.address = "127.0.0.1:" + std::to_string(*address.listen_port)});
  }
  options.logger = std::move(logger);
  return Node::start(std::move(options));
}

std::string server_of(const Node& node) {
  const auto& listeners = node.listeners();
  const auto found = std::ranges::find(listeners, "embedded", &NodeListener::name);
  return found == listeners.end() ? node.address() : found->address;
}

class PrivateNode final : public EmbeddedNode {
 public:
  explicit PrivateNode(Node node) : node_(std::move(node)) {}
  std::shared_ptr<Transport> transport() const override { return node_.transport(); }
  std::string bootstrap_server() const override { return server_of(node_); }
  Result<void> close(std::chrono::milliseconds timeout) override { return node_.close(timeout); }

 private:
  Node node_;
};

class Share final : public EmbeddedNode {
 public:
  Share(std::string key, const Node& node)
      : key_(std::move(key)), transport_(node.transport()), server_(server_of(node)) {}
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  // The node logs a failure.
  ~Share() override { (void)give_up(std::chrono::milliseconds(0)); }
  std::shared_ptr<Transport> transport() const override { return transport_; }
  std::string bootstrap_server() const override { return server_; }
  Result<void> close(std::chrono::milliseconds timeout) override { return give_up(timeout); }

 private:
  Result<void> give_up(std::chrono::milliseconds timeout) {
    if (made_in_.is_forked()) return {};  // the node is the parent's
    Nodes& all = nodes();
    const std::lock_guard lock(all.mutex);
    if (std::exchange(is_given_up_, true)) return {};
    const auto found = all.by_key.find(key_);
    DOHLE_ASSERT(found != all.by_key.end(), "a share is given up in a node that was removed");
    if (--found->second.shares > 0) return {};
    auto closed = found->second.node.close(timeout);
    all.by_key.erase(found);
    return closed;
  }

  bool is_given_up_ = false;
  const std::string key_;
  const std::shared_ptr<Transport> transport_;
  const std::string server_;
  const ForkMark made_in_ = {};
};

}  // namespace

Result<std::unique_ptr<EmbeddedNode>> EmbeddedNode::open(const EmbeddedAddress& address,
                                                         std::shared_ptr<Logger> logger) {
  if (address.is_private()) {
    auto node = start(address, std::move(logger));
    if (!node) return fail(node.error());
    return std::make_unique<PrivateNode>(std::move(*node));
  }
  Nodes& all = nodes();
  const std::lock_guard lock(all.mutex);
  auto found = all.by_key.find(address.key);
  if (found == all.by_key.end()) {
    auto node = start(address, std::move(logger));
    if (!node) return fail(node.error());
    found = all.by_key.emplace(address.key, Shared{std::move(*node), address.listen_port, 0}).first;
  } else if (address.listen_port && address.listen_port != found->second.listen_port) {
    return fail(Error::configuration("address embedded:" + address.key +
                                     " runs in this process already, and does not listen on port " +
                                     std::to_string(*address.listen_port)));
  }
  ++found->second.shares;
  return std::make_unique<Share>(address.key, found->second.node);
}

std::pair<std::unique_ptr<EmbeddedNode>, Node*> EmbeddedNode::share(std::string key, Node node) {
  Nodes& all = nodes();
  const std::lock_guard lock(all.mutex);
  const auto [at, is_new] = all.by_key.emplace(key, Shared{std::move(node), std::nullopt, 1});
  DOHLE_ASSERT(is_new, "two nodes of one process are shared under one name");
  return {std::make_unique<Share>(std::move(key), at->second.node), &at->second.node};
}

}  // namespace dohle::messaging
