#pragma once

#include <optional>
#include <utility>

#include "dohle/codec.hpp"
#include "dohle/detail/codec_choice.hpp"
#include "dohle/detail/typed_handler.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"

namespace dohle::messaging {

/// Takes the message that one call of `next` returns.
class PullReceiver {
 public:
  /// An error is a failure of the message, which `next` then does not return.
  virtual Result<void> take(RawEvent& event) = 0;

 protected:
  ~PullReceiver() = default;
};

/// Decodes the message to a T. A RawEvent is not decoded.
template <class T>
class PullInto final : public PullReceiver {
 public:
  explicit PullInto(const DecodingChoice& choice) : choice_(choice) {}
  Result<void> take(RawEvent& event) override {
    auto value = decode<T>(event, choice_);
    if (!value) return fail(value.error());
    taken_.emplace(EventAccess::typed<T>(event, *std::move(value)));
    return {};
  }
  /// Call it only after take() has succeeded.
  [[nodiscard]] Event<T> give() { return *std::move(taken_); }

 private:
  const DecodingChoice& choice_;
  std::optional<Event<T>> taken_;
};

template <>
class PullInto<RawEvent> final : public PullReceiver {
 public:
  explicit PullInto(const DecodingChoice& /*choice*/) {}
  Result<void> take(RawEvent& event) override {
    taken_.emplace(EventAccess::share(event));
    return {};
  }
  [[nodiscard]] RawEvent give() { return *std::move(taken_); }

 private:
  std::optional<RawEvent> taken_;
};

}  // namespace dohle::messaging
