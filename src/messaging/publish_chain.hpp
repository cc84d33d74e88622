#pragma once

#include <chrono>
#include <functional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/admin.hpp"
#include "dohle/broker.hpp"
#include "dohle/logger.hpp"
#include "dohle/message.hpp"

namespace dohle::messaging {

/// What was thrown is being handled: "`who` threw: …" as handler_failed.
[[nodiscard]] Error thrown_by(std::string_view who);

/// Makes an error of what `handler` throws.
template <class Return, class... Arguments>
[[nodiscard]] std::function<Return(Arguments...)> guarded(
    std::function<Return(Arguments...)> handler, std::string_view who) {
  return [handler = std::move(handler), who](Arguments... arguments) -> Return {
    try {
      return handler(std::forward<Arguments>(arguments)...);
    } catch (...) {
      return fail(thrown_by(who));
    }
  };
}

/// The broker's middlewares around the call's around the handler; the first is the outermost. None
/// of them throws: each sees what the inner one threw as the error that `next` returns. Empty when
/// a middleware returned no handler. Throws what a middleware throws while it wraps.
template <class Middleware, class Handler>
[[nodiscard]] Handler wrapped(const std::vector<Middleware>& broker,
                              const std::vector<Middleware>& call, Handler handler) {
  handler = guarded(std::move(handler), "the handler");
  for (const auto* layer : {&call, &broker}) {
    for (const Middleware& middleware : std::views::reverse(*layer)) {
      handler = middleware(std::move(handler));
      if (!handler) return handler;
      handler = guarded(std::move(handler), "a middleware");
    }
  }
  return handler;
}

/// What the options of a publish say, where the message itself says nothing.
inline void merge(const PublishOptions& options, Message& message) {
  if (!message.key() && options.key) message.with_key(*options.key);
  if (message.partition().is_none()) message.with_partition(options.partition);
  if (message.timestamp().is_none()) message.with_timestamp(options.timestamp);
  for (const Header& header : options.headers) message.with_header(header.name, header.value);
}

/// Headers as the client takes them, without a copy; most messages have few.
class HeaderViews {
 public:
  HeaderViews(std::span<const Header> first, std::span<const Header> second) {
    if (first.empty() && second.empty()) return;
    views_.reserve(first.size() + second.size());
    for (const auto& headers : {first, second}) {
      for (const Header& header : headers) {
        views_.push_back(
            {header.name, header.value ? std::optional(as_bytes(*header.value)) : std::nullopt});
      }
    }
  }
  [[nodiscard]] std::span<const HeaderView> views() const { return views_; }

 private:
  std::vector<HeaderView> views_;
};

inline void add(const FlushReport& one, FlushReport& all) {
  all.failed += one.failed;
  if (!all.first_error) all.first_error = one.first_error;
}

/// Nothing may leave a callback on the client's thread.
void tell(const std::function<void(const Result<Receipt>&)>& callback,
          const Result<Receipt>& receipt, Logger& logger);

/// That the topic exists is success; says whether it did. Absent: the client's own time-out.
Result<bool> create_topic(Admin& admin, const std::string& topic, std::int32_t partitions,
                          std::int16_t replication_factor,
                          std::optional<std::chrono::milliseconds> timeout = {});
/// What an existing topic has other than `partitions` partitions, as a sentence; empty: it has
/// them, or -1 was asked for. Absent: the client's own time-out.
Result<std::string> other_partitions(Admin& admin, const std::string& topic,
                                     std::int32_t partitions,
                                     std::optional<std::chrono::milliseconds> timeout = {});

}  // namespace dohle::messaging
