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

/// A topic as listed in the catalog.
struct CatalogTopic {
  TopicId id;
  std::int32_t partitions = 0;
  TopicConfig config;
  /// Its directories and their first files were on disk before the catalog listed it, so a missing
  /// one is damage. False for topics of 0.1.0.
  bool has_durable_files = false;
};

/// The state that the lines of a catalog describe.
class CatalogState {
 public:
  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }
  [[nodiscard]] const std::map<std::string, CatalogTopic>& topics() const { return topics_; }
  [[nodiscard]] std::int64_t free_producer_id() const { return free_producer_id_; }
  [[nodiscard]] bool is_deleted(const TopicId& id) const { return deleted_ids_.contains(id); }

  void check_invariants() const;
  [[nodiscard]] Taken take(const JournalLine& line);
  void set_cluster_id(std::string id) { cluster_id_ = std::move(id); }
  void set_free_producer_id(std::int64_t id) { free_producer_id_ = id; }
  void add(const std::string& name, CatalogTopic topic);
  void remove(const std::string& name);

  /// The fewest lines that describe this state, and their number.
  [[nodiscard]] std::vector<std::string> lines() const;
  [[nodiscard]] std::size_t line_count() const { return topics_.size() + deleted_.size() + 2; }

 private:
  struct Deleted {
    std::string name;
    TopicId id;
  };

  [[nodiscard]] bool take_topic(const std::vector<std::string_view>& words);
  [[nodiscard]] bool take_deleted(const JournalLine& line);
  void note_deleted(Deleted deleted);

  std::string cluster_id_;
  std::map<std::string, CatalogTopic> topics_;
  std::deque<Deleted> deleted_;
  std::unordered_set<TopicId> deleted_ids_;
  std::int64_t free_producer_id_ = 0;
};

/// The node's state besides records and groups: its cluster's id, its topics, deleted topics, and
/// the producer ids that were given out. A journal in the file dohle-catalog (docs/formats.md, "The
/// catalog"). A change takes effect once it is durable; then `done` is called, in the order of the
/// calls. Before `work_beside` both happen within the call.
///
/// On a full disk topics cannot be created, but they can be deleted, and producers still get their
/// ids (FileJournal). Owner's thread only.
class Catalog {
 public:
  static constexpr std::string_view file_name = "dohle-catalog";
  using Done = FileJournal::Done;

  struct Options {
    KnownSizes sizes = {};
    /// As FileJournal::Options::note.
    std::function<void(std::uint64_t)> note = [](std::uint64_t) {};
    /// Default: none. Called with a log line if a rewrite of the file fails, except on a full disk.
    std::function<void(std::string_view)> warn = [](std::string_view) {};
  };
  /// Reads the catalog of a directory, or creates it. Errors: damaged, with the action to take;
  /// unsupported_version; storage.
  static Result<std::unique_ptr<Catalog>> open(Disk& disk, const std::string& directory,
                                               Options options);

  void check_invariants() const;
  /// As FileJournal::work_beside.
  void work_beside() { journal_->work_beside(); }
  /// Calls `idle` once all changes have an outcome.
  void when_idle(Task idle) { journal_->when_idle(std::move(idle)); }

  [[nodiscard]] const std::string& cluster_id() const { return state_.cluster_id(); }
  [[nodiscard]] const std::map<std::string, CatalogTopic>& topics() const {
    return state_.topics();
  }
  [[nodiscard]] std::int64_t free_producer_id() const { return state_.free_producer_id(); }
  /// Whether a topic with this id was deleted. Only the newest `limits::max_kept_deletions` are
  /// known.
  [[nodiscard]] bool is_deleted(const TopicId& id) const { return state_.is_deleted(id); }
  [[nodiscard]] const FileJournal& journal() const { return *journal_; }

  void set_cluster_id(std::string id, Done done);
  /// Lists a topic, in place of an earlier line of it. A deleted topic may be listed again.
  void add(const std::string& name, CatalogTopic topic, Done done);
  /// The topic must be listed, and no other change of it may be in progress.
  void remove(const std::string& name, Done done);
  void set_free_producer_id(std::int64_t id, Done done);

 private:
  Catalog() = default;
  void append(std::string body, FileJournal::Reserve reserve, Task change, Done done);

  std::unique_ptr<FileJournal> journal_;
  CatalogState state_;
  std::function<void(std::string_view)> warn_;
};

}  // namespace dohle::node
