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

/// A directory of the data directory whose name has the form of a partition's.
struct PartitionDirectory {
  std::string topic;
  std::int32_t partition = 0;
};
/// As dohle::partition_name.
[[nodiscard]] inline std::string partition_name(std::string_view topic, std::int32_t index) {
  return dohle::partition_name(topic, PartitionId{index});
}
/// Parses "money-0". None if the name has another form.
[[nodiscard]] std::optional<PartitionDirectory> parse_partition_directory(std::string_view name);

/// A directory with a partition's files that the catalog does not list.
struct Stray {
  std::string topic;
  std::int32_t partition = 0;
  /// The id in its files. None if they have none.
  std::optional<TopicId> id = std::nullopt;
  /// Also true for bytes that a recovery cut off and kept.
  bool has_records = false;

  [[nodiscard]] std::string name() const { return partition_name(topic, partition); }
};

/// Examines the directory `name` in `parent`. None if it holds no file of a partition. Blocks until
/// the first byte of a record is read. Errors: storage.
[[nodiscard]] Result<std::optional<Stray>> look_at_directory(Disk& disk, const std::string& parent,
                                                             const PartitionDirectory& name);

/// True if the stray has no records or its topic was deleted. Other strays are kept.
[[nodiscard]] bool may_be_removed(const Stray& stray, const Catalog& catalog);

/// The topic that the strays of one name form, for `--adopt`. `fresh` is its id if their files have
/// none. Errors: configuration, if partitions are missing or belong to several topics.
[[nodiscard]] Result<CatalogTopic> adopted_topic(std::string_view name,
                                                 const std::vector<Stray>& strays,
                                                 const TopicId& fresh);

/// The number of partitions that a listed topic has together with the strays of its name and id
/// that follow its own, if one of them has records; else that of the catalog.
[[nodiscard]] std::int32_t partitions_with(const CatalogTopic& listed,
                                           const std::vector<Stray>& strays);

/// The log line of a start about strays. None without strays. `kept` is in the order of names.
[[nodiscard]] std::optional<std::string> line_about_strays(const std::string& parent,
                                                           const std::vector<Stray>& kept,
                                                           const std::vector<Stray>& removed);

}  // namespace dohle::node
