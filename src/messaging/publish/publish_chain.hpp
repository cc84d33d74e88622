#pragma once

#include <array>
#include <chrono>
#include <cstddef>
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
#include "messaging/reports/thrown_by.hpp"

namespace dohle::messaging {

/// Wraps `handler` in the call's middlewares, and those in the broker's; the first is the
/// outermost. The result never throws: an exception of an inner one becomes the error that `next`
/// returns. Empty if a middleware returned no handler. Passes on an exception that a middleware
/// throws while it wraps.
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

/// Copies the options of a publish into the message, except fields that the message has itself.
inline void merge(const PublishOptions& options, Message& message) {
  if (!message.key() && options.key) message.with_key(*options.key);
  if (message.partition().is_none()) message.with_partition(options.partition);
  if (message.timestamp().is_none()) message.with_timestamp(options.timestamp);
  if (message.offset().is_none()) message.with_offset(options.offset);
  for (const Header& header : options.headers) message.with_header(header.name, header.value);
}

/// The client's view of headers, without a copy of their bytes. A few cost no allocation.
class HeaderViews {
 public:
  HeaderViews(std::span<const Header> first, std::span<const Header> second)
      : count_(first.size() + second.size()) {
    if (count_ == 0) return;
    if (count_ > few_.size()) many_.resize(count_);
    HeaderView* at = count_ > few_.size() ? many_.data() : few_.data();
    for (const auto& headers : {first, second}) {
      for (const Header& header : headers) {
        *at++ = {header.name, header.value ? std::optional(as_bytes(*header.value)) : std::nullopt};
      }
    }
  }
  HeaderViews(const HeaderViews&) = delete;
  HeaderViews& operator=(const HeaderViews&) = delete;
  [[nodiscard]] std::span<const HeaderView> views() const {
    return {count_ > few_.size() ? many_.data() : few_.data(), count_};
  }

 private:
  std::size_t count_;
  std::array<HeaderView, 2> few_ = {};
  std::vector<HeaderView> many_;
};

/// A result for each of `count` messages: the error.
[[nodiscard]] inline std::vector<Result<Delivery>> each_fails(std::size_t count, const Error& why) {
  std::vector<Result<Delivery>> results;
  results.reserve(count);
  for (std::size_t i = 0; i < count; ++i) results.emplace_back(fail(why));
  return results;
}

/// Calls `callback` and logs an exception: none may escape on the client's thread.
void tell(const std::function<void(const Result<Receipt>&)>& callback,
          const Result<Receipt>& receipt, Logger& logger);
void tell(const std::function<void(const SettledBatch&)>& completion, const SettledBatch& batch,
          Logger& logger);

/// Creates a topic unless it exists; returns whether it existed. If `timeout` is absent, the
/// client's own applies.
Result<bool> create_topic(Admin& admin, const std::string& topic, std::int32_t partitions,
                          std::int16_t replication_factor,
                          std::optional<std::chrono::milliseconds> timeout = {});
/// A sentence about the difference if an existing topic does not have `partitions` partitions. It
/// is empty if the topic has them, or for -1. If `timeout` is absent, the client's own applies.
Result<std::string> other_partitions(Admin& admin, const std::string& topic,
                                     std::int32_t partitions,
                                     std::optional<std::chrono::milliseconds> timeout = {});

}  // namespace dohle::messaging
