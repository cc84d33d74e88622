#pragma once

#include <atomic>
#include <future>
#include <utility>

#include "dohle/error.hpp"
#include "dohle/producer.hpp"

namespace dohle::messaging {

/// The promise of Broker::publish_future. The first outcome counts: a middleware may publish a
/// message twice, or fail after it. If none comes, it is `cancelled`. Thread safety: any thread.
class ReceiptPromise {
 public:
  ReceiptPromise() = default;
  ReceiptPromise(const ReceiptPromise&) = delete;
  ReceiptPromise& operator=(const ReceiptPromise&) = delete;
  ~ReceiptPromise() {
    set(fail(Error::client(Errc::cancelled,
                           "the message has no outcome: a middleware did not pass it on")));
  }

  /// Called once.
  [[nodiscard]] std::future<Result<Receipt>> future() { return promise_.get_future(); }
  void set(Result<Receipt> outcome) {
    if (!is_set_.exchange(true)) promise_.set_value(std::move(outcome));
  }

 private:
  std::atomic<bool> is_set_{false};
  std::promise<Result<Receipt>> promise_;
};

}  // namespace dohle::messaging
