#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "node/door/request_faults.hpp"

namespace dohle::test_environment {

/// The faults that a test asked for, and which requests the node has served. Thread safety: any
/// thread.
class Faults final : public node::RequestFaults {
 public:
  /// `partitions` of a topic on its first use; 0: topics are not created.
  explicit Faults(std::int32_t partitions) : partitions_(partitions) {}

  void refuse_connections(std::size_t count);
  void delay_requests(Duration by);
  /// An empty topic stands for all.
  void fail_produces(std::int16_t code, std::size_t count, std::string topic);
  void fail_commits(std::int16_t code, std::size_t count);
  void clear();
  /// The failures that have not happened.
  [[nodiscard]] std::size_t left() const;
  /// The number of requests so far that may have changed the unhandled messages of a group.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }

  // The node calls the following functions.
  void on_request(wire::ApiKey api) override;
  [[nodiscard]] Duration delay() override;
  [[nodiscard]] bool refuses_connection() override;
  [[nodiscard]] std::int16_t refuses_records(std::string_view topic) override;
  [[nodiscard]] std::int16_t refuses_offsets(std::string_view group) override;
  [[nodiscard]] std::int32_t partitions_on_first_use(std::string_view topic) override;

 private:
  struct Refusals {
    std::int16_t code = 0;
    std::size_t left = 0;
    /// The topic of refused produces. Empty: all topics.
    std::string topic = {};
  };
  [[nodiscard]] static std::int16_t take(std::vector<Refusals>& all, std::string_view topic);

  const std::int32_t partitions_;
  std::atomic<std::uint64_t> changes_{0};
  mutable std::mutex mutex_;
  std::size_t refused_connections_ = 0;
  Duration delay_{};
  /// Oldest first.
  std::vector<Refusals> produces_;
  std::vector<Refusals> commits_;
};

}  // namespace dohle::test_environment
