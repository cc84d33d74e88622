#include "dohle/server.hpp"

#include "base/fork_watch.hpp"
#include "server/server_runtime.hpp"

namespace dohle {
inline namespace v0 {

Server::Server(ServerOptions options)
    : inside_(std::make_shared<server::ServerRuntime>(std::move(options))) {}

Server::~Server() {
  if (!inside_->check_usable()) {
    keep_for_ever(std::move(inside_));
    return;
  }
  if (auto ended = stop(); !ended) inside_->log_end(ended.error());
}

Result<void> Server::add(std::string topic, messaging::Subscribing subscribe) {
  if (auto usable = inside_->check_usable(); !usable) return usable;
  return inside_->add(std::move(topic), std::move(subscribe));
}

Result<void> Server::start() {
  if (auto usable = inside_->check_usable(); !usable) return usable;
  return inside_->start();
}
Result<void> Server::stop(std::chrono::milliseconds timeout) {
  if (auto usable = inside_->check_usable(); !usable) return usable;
  return inside_->stop(timeout);
}
Result<void> Server::stop() {
  return stop(inside_->options().stop_timeout);
}
Result<void> Server::run() {
  if (auto usable = inside_->check_usable(); !usable) return usable;
  return inside_->run({});
}
Result<void> Server::run(const std::stop_token& stop) {
  if (auto usable = inside_->check_usable(); !usable) return usable;
  return inside_->run(stop);
}

ServerHealth Server::health() const {
  if (!inside_->check_usable()) return {};
  return inside_->health();
}
std::string Server::endpoint() const {
  if (!inside_->check_usable()) return {};
  return inside_->endpoint();
}
std::shared_ptr<Broker> Server::broker() const {
  if (!inside_->check_usable()) return nullptr;
  return inside_->broker();
}

}  // namespace v0
}  // namespace dohle
