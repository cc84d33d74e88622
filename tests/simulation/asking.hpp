#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "client/cluster/shared_client.hpp"
#include "sim/process.hpp"
#include "wire/messages/describe_configs.hpp"

namespace dohle::simulation {

/// Asks something every 100 ms, and counts the answers.
class Asking {
 public:
  static constexpr Duration every = std::chrono::milliseconds(100);

  Asking(sim::Process& self, std::shared_ptr<Client::Shared> client)
      : self_(self), client_(std::move(client)) {
    ask();
  }
  void stop() { is_stopped_ = true; }
  [[nodiscard]] int asked() const { return asked_; }
  [[nodiscard]] int answers() const { return answers_; }
  /// Answers that say that a login or a handshake was refused.
  [[nodiscard]] int refusals() const { return refusals_; }
  /// The words of the last one.
  [[nodiscard]] const std::string& refusal() const { return refusal_; }
  [[nodiscard]] int other_errors() const { return other_errors_; }
  [[nodiscard]] TimePoint answered_at() const { return answered_at_; }

 private:
  void ask() {
    if (is_stopped_) return;
    using Request = wire::DescribeConfigsRequest;
    ++asked_;
    client_->cluster().ask_any(
        Request{}, client::Cluster::Then<Request>([this](Result<Request::Response> answer) {
          if (answer) {
            ++answers_;
            answered_at_ = self_.clock().mono();
          } else {
            const bool is_refusal = answer.error().is_auth();
            if (is_refusal) refusal_ = answer.error().message();
            ++(is_refusal ? refusals_ : other_errors_);
          }
        }));
    self_.executor().arm(self_.clock().mono() + every, [this] { ask(); });
  }

  sim::Process& self_;
  std::shared_ptr<Client::Shared> client_;
  bool is_stopped_ = false;
  int asked_ = 0;
  int answers_ = 0;
  int refusals_ = 0;
  std::string refusal_;
  int other_errors_ = 0;
  TimePoint answered_at_{};
};

}  // namespace dohle::simulation
