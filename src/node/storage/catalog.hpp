#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "node/storage/topic_settings.hpp"

namespace dohle::node {

/// A topic as the catalog knows it.
struct CatalogTopic {
  TopicId id;
  std::int32_t partitions = 0;
  TopicConfig config;
};

/// What the node has to remember besides records and groups: its cluster's id, topics, and which
/// producer ids have been given out. One file, dohle-catalog, to which changes are appended; it is
/// replaced by what is left of them (dohle-catalog.tmp, renamed) when most of it is history.
///
/// A line is a CRC-32C in eight hexadecimal digits, a space, and one of
///     cluster ID
///     topic NAME ID PARTITIONS [SETTING=VALUE]…
///     deleted NAME ID
///     producer-ids FIRST-THAT-IS-FREE
/// A line is whole or was never acknowledged: a damaged last line is cut off at the start, a
/// damaged one before others is refused. Every change is durable when its call returns.
///
/// Space for some hundred more lines is reserved ahead, which a new topic may not use: on a full
/// disk topics are still deleted, and producers still get their ids.
class Catalog {
 public:
  static constexpr std::string_view file_name = "dohle-catalog";

  /// Reads the catalog of a directory, or begins one. Errors: damaged, storage.
  static Result<std::unique_ptr<Catalog>> open(Disk& disk, std::string directory);

  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }
  [[nodiscard]] const std::map<std::string, CatalogTopic>& topics() const { return topics_; }
  [[nodiscard]] std::int64_t free_producer_id() const { return free_producer_id_; }

  Result<void> set_cluster_id(std::string id);
  Result<void> add(const std::string& name, CatalogTopic topic);
  Result<void> remove(const std::string& name);
  Result<void> set_free_producer_id(std::int64_t id);

 private:
  Catalog(Disk& disk, std::string directory) : disk_(&disk), directory_(std::move(directory)) {}
  [[nodiscard]] std::string path() const { return directory_ + "/" + std::string(file_name); }
  Result<void> load();
  Result<std::size_t> replay(std::string_view text);
  [[nodiscard]] bool apply(std::string_view line);
  /// Who may use the space that is reserved ahead.
  enum class Reserve : std::uint8_t { is_kept, may_be_used };
  Result<void> append(const std::string& line, Reserve reserve);
  Result<void> rewrite_if_due();
  Result<void> rewrite();
  [[nodiscard]] std::size_t live_lines() const { return topics_.size() + 2; }

  Disk* disk_;
  std::string directory_;
  std::shared_ptr<File> file_;
  std::uint64_t size_ = 0;
  std::size_t lines_ = 0;
  std::string cluster_id_;
  std::map<std::string, CatalogTopic> topics_;
  std::int64_t free_producer_id_ = 0;
  std::optional<Error> broken_;
};

}  // namespace dohle::node
