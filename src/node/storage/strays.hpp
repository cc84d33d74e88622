#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.hpp"
#include "base/topic_name.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "node/storage/catalog.hpp"

namespace dohle::node {

/// A directory of the data directory that is named like a partition's.
struct PartitionDirectory {
  std::string topic;
  std::int32_t partition = 0;
};
/// As dohle::partition_name.
[[nodiscard]] inline std::string partition_name(std::string_view topic, std::int32_t index) {
  return dohle::partition_name(topic, PartitionId{index});
}
/// Reads "money-0"; nothing if the name is not of that form.
[[nodiscard]] std::optional<PartitionDirectory> parse_partition_directory(std::string_view name);

/// A directory with a partition's files of which the catalog says nothing.
struct Stray {
  std::string topic;
  std::int32_t partition = 0;
  /// As its files say; nothing if they do not.
  std::optional<TopicId> id = std::nullopt;
  /// Also bytes that a recovery cut off and kept.
  bool has_records = false;

  [[nodiscard]] std::string name() const { return partition_name(topic, partition); }
};

/// Looks into the directory `name` below `parent`; nothing if it holds no file of a partition.
/// Blocks for as long as it takes to read to the first byte of a record. Errors: storage.
[[nodiscard]] Result<std::optional<Stray>> look_at_directory(Disk& disk, const std::string& parent,
                                                             const PartitionDirectory& name);

/// A stray is kept unless nothing is lost with it: it has no records, or its topic was deleted.
[[nodiscard]] bool may_be_removed(const Stray& stray, const Catalog& catalog);

/// The topic that strays of one name make, for `--adopt`. `fresh` is its id if their files name
/// none. Errors: configuration: partitions are missing, or of several topics.
[[nodiscard]] Result<CatalogTopic> adopted_topic(std::string_view name,
                                                 const std::vector<Stray>& strays,
                                                 const TopicId& fresh);

/// The one line of a start about strays; nothing if there were none. `kept` in the order of names.
[[nodiscard]] std::optional<std::string> line_about_strays(const std::string& parent,
                                                           const std::vector<Stray>& kept,
                                                           const std::vector<Stray>& removed);

}  // namespace dohle::node
