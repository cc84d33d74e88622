#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "dohle/node.hpp"
#include "relay.hpp"
#include "wire/codec.hpp"
#include "wire/header.hpp"

namespace dohle {

/// A node in memory that is reached through a relay, which keeps the requests. Its topic "t" has
/// three partitions.
class RecordedNode {
 public:
  RecordedNode();

  /// The address for clients whose requests are recorded.
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(relay_.port()); }
  /// The address for all other clients.
  [[nodiscard]] const std::string& direct_address() const { return direct_; }
  [[nodiscard]] Relay& relay() { return relay_; }
  void close() { node_.reset(); }

  /// All requests so far, connection by connection; of each connection the first 64 KiB.
  [[nodiscard]] std::vector<wire::RequestFrame> requests() const {
    return requests_in(relay_.seen());
  }
  /// The bodies of the requests of one kind.
  template <class Request>
  [[nodiscard]] std::vector<Request> all() const {
    return all_in<Request>(requests());
  }
  template <class Request>
  bool wait_for(std::size_t count, std::chrono::milliseconds timeout) const {
    return relay_.wait_until(
        [&](const auto& seen) { return all_in<Request>(requests_in(seen)).size() >= count; },
        timeout);
  }
  /// The same for those requests for which `is_such` is true.
  template <class Request, class Is>
  bool wait_for_such(std::size_t count, Is is_such, std::chrono::milliseconds timeout) const {
    return relay_.wait_until(
        [&](const auto& seen) {
          const auto found = all_in<Request>(requests_in(seen));
          return static_cast<std::size_t>(std::ranges::count_if(found, is_such)) >= count;
        },
        timeout);
  }
  /// No further request of this kind is answered, nor any that follows it on its connection.
  template <class Request>
  void mute() {
    relay_.mute(
        [](const std::string& bytes) { return !all_in<Request>(requests_of(bytes)).empty(); });
  }
  /// The same for those requests for which `is_such` is true.
  template <class Request, class Is>
  void mute_such(Is is_such) {
    relay_.mute([is_such](const std::string& bytes) {
      return std::ranges::any_of(all_in<Request>(requests_of(bytes)), is_such);
    });
  }
  void mute_all() {
    relay_.mute([](const std::string& /*bytes*/) { return true; });
  }
  void answer() { relay_.mute(nullptr); }

 private:
  static std::vector<wire::RequestFrame> requests_of(const std::string& bytes);
  static std::vector<wire::RequestFrame> requests_in(const std::vector<Relay::Seen>& seen);
  template <class Request>
  static std::vector<Request> all_in(const std::vector<wire::RequestFrame>& frames) {
    std::vector<Request> found;
    for (const wire::RequestFrame& frame : frames) {
      if (frame.header.api_key != Request::api.key) continue;
      found.push_back(wire::decode<Request>(frame.body, frame.header.api_version).value());
    }
    return found;
  }

  Relay relay_{0};
  std::optional<Node> node_;
  std::string direct_;
};

}  // namespace dohle
