#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/tracer.hpp"

namespace dohle {

/// Keeps the spans of a tracer. Thread safety: any thread.
class RecordedSpans final : public SpanExporter {
 public:
  void take(FinishedSpan span) override {
    {
      const std::lock_guard lock(mutex_);
      spans_.push_back(std::move(span));
    }
    changed_.notify_all();
  }
  [[nodiscard]] std::vector<FinishedSpan> all() const {
    const std::lock_guard lock(mutex_);
    return spans_;
  }
  /// Waits until so many spans of that name have ended, and returns all of them; at most 30 s.
  [[nodiscard]] std::vector<FinishedSpan> named(std::string_view name, std::size_t count = 1) {
    std::unique_lock lock(mutex_);
    const auto is_named = [&](const FinishedSpan& span) { return span.name == name; };
    (void)changed_.wait_for(lock, std::chrono::seconds(30), [&] {
      return static_cast<std::size_t>(std::ranges::count_if(spans_, is_named)) >= count;
    });
    std::vector<FinishedSpan> found;
    std::ranges::copy_if(spans_, std::back_inserter(found), is_named);
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<FinishedSpan> spans_;
};

/// The value of an attribute; absent if there is none.
[[nodiscard]] inline std::optional<AttributeValue> value_of(const FinishedSpan& span,
                                                            std::string_view name) {
  const auto found = std::ranges::find(span.attributes, name, &SpanAttribute::name);
  return found != span.attributes.end() ? std::optional(found->value) : std::nullopt;
}

/// The same of a text; empty if there is none.
[[nodiscard]] inline std::string text_of(const FinishedSpan& span, std::string_view name) {
  const auto value = value_of(span, name);
  const auto* const text = value ? std::get_if<std::string>(&*value) : nullptr;
  return text != nullptr ? *text : std::string();
}

}  // namespace dohle
