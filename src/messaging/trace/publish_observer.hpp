#pragma once

#include <memory>
#include <utility>

#include "dohle/producer.hpp"

namespace dohle::messaging {

/// Passes a function for a message's outcome from a middleware through the inner ones to the
/// producer, which are all called on one thread. Without it a middleware would see the outcome of
/// synchronous publishes alone. It lives while the middleware calls `next`.
class PublishObserver {
 public:
  /// Shared with the producer once it has the message.
  using Told = std::shared_ptr<DeliveryCallback>;

  explicit PublishObserver(Told told)
      : told_(std::move(told)), outer_(std::exchange(innermost_, this)) {}
  ~PublishObserver() { innermost_ = outer_; }
  PublishObserver(const PublishObserver&) = delete;
  PublishObserver& operator=(const PublishObserver&) = delete;

  /// Whether the producer has it: it is then called exactly once, on the client's thread, unless
  /// the publish fails.
  [[nodiscard]] bool was_taken() const { return was_taken_; }

  /// One function for all observers of the publish under way; null if there is none, or if an
  /// earlier message of it has them. Once the producer has it, call mark_taken; otherwise a
  /// middleware may publish the message again.
  [[nodiscard]] static Told all() {
    Told all;
    for (const PublishObserver* each = innermost_; each != nullptr; each = each->outer_) {
      if (!each->was_taken_) all = all ? both(std::move(all), each->told_) : each->told_;
    }
    return all;
  }
  static void mark_taken() {
    for (PublishObserver* each = innermost_; each != nullptr; each = each->outer_) {
      each->was_taken_ = true;
    }
  }

  /// Hides the observers of a publish from one that its middlewares make.
  class Hidden {
   public:
    Hidden() : outer_(std::exchange(innermost_, nullptr)) {}
    ~Hidden() { innermost_ = outer_; }
    Hidden(const Hidden&) = delete;
    Hidden& operator=(const Hidden&) = delete;

   private:
    PublishObserver* outer_;
  };

 private:
  static Told both(Told one, Told other) {
    return std::make_shared<DeliveryCallback>(
        [one = std::move(one), other = std::move(other)](Result<Receipt> outcome) {
          (*one)(outcome);
          (*other)(std::move(outcome));
        });
  }

  static inline constinit thread_local PublishObserver* innermost_ = nullptr;

  const Told told_;
  PublishObserver* outer_;
  bool was_taken_ = false;
};

}  // namespace dohle::messaging
