#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/disk.hpp"
#include "base/random.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "log/partition_log.hpp"

namespace dohle::node {

struct Topic {
  std::string name;
  TopicId id;
  log::LogConfig config;
  std::vector<std::unique_ptr<log::PartitionLog>> partitions;
};

/// The node's topics and their logs, and the file that lists them. The list is replaced as a whole,
/// durably, before a change is answered. One directory per partition, `topic-N`.
class Topics {
 public:
  static constexpr std::size_t partitions_max = 100'000;

  /// What has been set aside at start, for the log.
  struct Recovered {
    std::string directory;
    log::RecoveryReport report;
  };

  Topics(Disk& disk, std::string directory, Random& random)
      : disk_(&disk), directory_(std::move(directory)), random_(&random) {}

  /// Opens every log. Errors: damaged, storage.
  Result<std::vector<Recovered>> open();
  /// Makes everything durable and marks the stop as clean.
  Result<void> close();

  [[nodiscard]] Topic* find(std::string_view name);
  [[nodiscard]] Topic* find(const TopicId& id);
  [[nodiscard]] const std::map<std::string, Topic, std::less<>>& all() const { return topics_; }

  using Config = std::map<std::string, std::string>;
  /// Errors: broker errors as Apache Kafka answers them (17, 36, 37, 40), storage.
  Result<Topic*> create(const std::string& name, std::int32_t partitions, const Config& config,
                        bool validate_only = false);
  Result<void> remove(std::string_view name);

  /// The first id that was never given out; durable before it returns.
  Result<ProducerId> next_producer_id();

 private:
  Result<void> load(std::string_view text);
  Result<void> save();
  Result<void> open_partitions(Topic& topic, std::int32_t count, bool was_clean,
                               std::vector<Recovered>& recovered);
  [[nodiscard]] std::string partition_directory(std::string_view topic, std::size_t index) const;

  Disk* disk_;
  std::string directory_;
  Random* random_;
  std::map<std::string, Topic, std::less<>> topics_;
  std::unordered_map<TopicId, Topic*> by_id_;
  std::map<std::string, std::int32_t> to_open_;
  std::int64_t next_producer_id_ = 0;
  std::int64_t producer_ids_reserved_ = 0;
};

/// Reads the settings that a topic obeys. Errors: broker error 40, naming the setting.
[[nodiscard]] Result<log::LogConfig> parse_config(const Topics::Config& config);

}  // namespace dohle::node
