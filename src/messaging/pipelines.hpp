#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dohle/producer.hpp"

namespace dohle::messaging {

/// What a publish may ask of its producer.
struct PipelineKey {
  Acks acks = Acks::all;
  /// Absent: the Broker's.
  std::optional<std::int32_t> max_attempts = std::nullopt;
  /// Absent: the delivery timeout.
  std::optional<std::chrono::milliseconds> timeout = std::nullopt;

  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const PipelineKey&, const PipelineKey&) = default;
};

/// The producers of a Broker, one for each combination that its publishes ask for. Any thread.
class Pipelines {
 public:
  static constexpr std::size_t max_pipelines = 16;
  using Make = std::function<Result<Producer>(const PipelineKey&)>;

  /// The producer of that combination, if there is one. Takes no lock.
  [[nodiscard]] Producer* find(const PipelineKey& key) const;
  /// Makes it on first use; `mutex` is held meanwhile. Errors: limit_reached, with the combinations
  /// in use; the error of `make`.
  [[nodiscard]] Result<Producer*> find_or_make(const PipelineKey& key, const Make& make);
  /// All producers, in the order in which they were made. A producer lives until this object ends.
  [[nodiscard]] std::vector<Producer*> all() const;

 private:
  struct Pipeline {
    PipelineKey key;
    Producer producer;
  };
  [[nodiscard]] Error too_many(const PipelineKey& asked) const;

  std::array<std::unique_ptr<Pipeline>, max_pipelines> pipelines_;
  /// The first so many are made. They never change.
  std::atomic<std::size_t> count_{0};
};

}  // namespace dohle::messaging
