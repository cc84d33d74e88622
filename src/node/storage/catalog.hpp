#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/disk.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "node/journal/file_journal.hpp"
#include "node/storage/topic_settings.hpp"

namespace dohle::node {

/// A topic as the catalog knows it.
struct CatalogTopic {
  TopicId id;
  std::int32_t partitions = 0;
  TopicConfig config;
  /// Its directories and their first files were on disk before the catalog named it: one that is
  /// missing is damage. False: 0.1.0 made the topic.
  bool has_durable_files = false;
};

/// What the node has to remember besides records and groups: its cluster's id, topics, those that
/// were deleted, and which producer ids have been given out. A journal in the file dohle-catalog
/// (docs/formats.md, "The catalog"). Every change is durable when its call returns.
///
/// On a full disk no topic is made, but topics are still deleted, and producers still get their ids
/// (FileJournal). Owner's thread only.
class Catalog {
 public:
  static constexpr std::string_view file_name = "dohle-catalog";

  struct Options {
    KnownSizes sizes = {};
    /// As FileJournal::Options::note.
    std::function<void(std::uint64_t)> note = [](std::uint64_t) {};
  };
  /// Reads the catalog of a directory, or begins one. Errors: damaged, with what to do;
  /// unsupported_version; storage.
  static Result<std::unique_ptr<Catalog>> open(Disk& disk, const std::string& directory,
                                               Options options);

  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }
  [[nodiscard]] const std::map<std::string, CatalogTopic>& topics() const { return topics_; }
  [[nodiscard]] std::int64_t free_producer_id() const { return free_producer_id_; }
  /// Whether a topic of that id was deleted, among the newest `limits::max_kept_deletions`.
  [[nodiscard]] bool is_deleted(const TopicId& id) const { return deleted_ids_.contains(id); }
  [[nodiscard]] const FileJournal& journal() const { return *journal_; }

  Result<void> set_cluster_id(std::string id);
  Result<void> add(const std::string& name, CatalogTopic topic);
  Result<void> remove(const std::string& name);
  Result<void> set_free_producer_id(std::int64_t id);

 private:
  struct Deleted {
    std::string name;
    TopicId id;
  };

  Catalog() = default;
  [[nodiscard]] FileJournal::Taken take(const JournalLine& line);
  [[nodiscard]] bool take_topic(const std::vector<std::string_view>& words);
  [[nodiscard]] bool take_deleted(const JournalLine& line);
  void note_topic(const std::string& name, CatalogTopic topic);
  void note_deleted(Deleted deleted);
  Result<void> append(const std::string& body, FileJournal::Reserve reserve);
  Result<void> rewrite_if_due();
  [[nodiscard]] std::vector<std::string> snapshot() const;

  std::unique_ptr<FileJournal> journal_;
  std::string cluster_id_;
  std::map<std::string, CatalogTopic> topics_;
  std::deque<Deleted> deleted_;
  std::unordered_set<TopicId> deleted_ids_;
  std::int64_t free_producer_id_ = 0;
};

}  // namespace dohle::node
