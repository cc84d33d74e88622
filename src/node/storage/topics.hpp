#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/disk.hpp"
#include "base/secure_random.hpp"
#include "dohle/error.hpp"
#include "dohle/ids.hpp"
#include "log/background_checks.hpp"
#include "log/group_opening.hpp"
#include "node/storage/catalog.hpp"
#include "node/storage/clean_stop.hpp"
#include "node/storage/partition.hpp"
#include "node/storage/strays.hpp"
#include "node/storage/topic_files.hpp"
#include "node/storage/topic_settings.hpp"

namespace dohle::node {

/// Stores groups and committed offsets.
inline constexpr std::string_view offsets_topic = "__consumer_offsets";
/// The end of a log line about a fault of its partition.
inline constexpr std::string_view groups_wait =
    "; all groups and their committed offsets wait for this partition";

/// Damage whose loss the user accepts, as named in the log line about it.
struct AcceptedLoss {
  /// TOPIC-PARTITION
  std::string partition;
  Offset offset;
};
/// Parses TOPIC-PARTITION@OFFSET. Errors: configuration.
[[nodiscard]] Result<AcceptedLoss> parse_accepted_loss(std::string_view text);

struct Topic {
  std::string name;
  TopicId id;
  TopicConfig config;
  std::vector<PartitionRef> partitions;
  /// Only the node writes to it.
  bool is_internal = false;

  /// Null if there is no such partition.
  [[nodiscard]] const PartitionRef* partition(PartitionId index) const {
    const bool exists =
        index.value >= 0 && static_cast<std::size_t>(index.value) < partitions.size();
    return exists ? &partitions[static_cast<std::size_t>(index.value)] : nullptr;
  }
};

/// The journal of the users, whose size is noted beside the catalog's. Its owner outlives the
/// topics.
struct UsersJournal {
  /// Reads it. Called after the catalog was read, before the note of this run replaces that of the
  /// last one.
  std::function<Result<void>(const KnownSizes&)> open = [](const KnownSizes&) {
    return Result<void>();
  };
  /// Whether `open` will begin it anew, since it is missing in spite of these sizes.
  std::function<bool(const KnownSizes&)> begins_anew = [](const KnownSizes&) { return false; };
  /// Its size. None without a file, and if a refused line may be in it.
  std::function<std::optional<std::uint64_t>()> bytes = [] {
    return std::optional<std::uint64_t>();
  };
};

/// The node's topics with their logs, one directory per partition, `topic-N`. The catalog decides
/// which topics exist: a topic is visible from when its line is durable until the line of its
/// deletion is.
///
/// Files are created, synced and removed on disk threads. A call for a name waits while a topic of
/// that name is created or deleted. Owner's thread only.
class TopicTable {
 public:
  /// A finding of `open`, for the log.
  struct Finding {
    bool is_error = false;
    std::string line;
  };

  struct Options {
    log::Visible visible = log::Visible::synced;
    /// Default: null, no receiver. Outlives the topics.
    log::LogEvents* events = nullptr;
    /// Number of segment files that stay open. More are open while they are written or sent.
    std::size_t max_open_files = log::FileCache::open_max_default;
    /// Topics to list again: the catalog does not list them, but their directories exist.
    std::vector<std::string> adopt = {};
    /// The values of settings that a topic does not set.
    log::LogConfig log_defaults = {};
    /// Default: none. Called with a log line about a failure that no request waits for.
    std::function<void(std::string_view line)> warn = [](std::string_view) {};
    /// The durability that the note of the run states.
    Durability durability = Durability::fsync;
    std::vector<AcceptedLoss> accept_losses = {};
    UsersJournal users = {};
    /// Called after a partition of a deleted topic was closed.
    std::function<void(const PartitionRef&)> on_closed = [](const PartitionRef&) {};
    /// Called when a topic was removed. The removal ends, and the name can be used again, once
    /// `then` is called.
    std::function<void(const std::string& name, Task then)> on_removed = [](const std::string&,
                                                                            Task then) { then(); };
  };
  using Created = std::move_only_function<void(Result<Topic*>)>;
  /// Partitions to add to a topic.
  struct Growth {
    /// The number of partitions after it.
    std::int32_t partitions = 0;
    /// How many assignments the request has for new partitions. Default: none, it has no list.
    std::optional<std::size_t> assignments = std::nullopt;
  };
  using Grown = std::move_only_function<void(Result<void>)>;
  using Removed = std::move_only_function<void(Result<void>)>;

  TopicTable(Disk& disk, std::string directory, SecureRandom& random, Options options);
  ~TopicTable();
  TopicTable(const TopicTable&) = delete;
  TopicTable& operator=(const TopicTable&) = delete;

  /// Opens the catalog and every log. If a log refuses to open, only its partition is unusable.
  /// Errors: damaged and unsupported_version (the catalog), configuration (a topic that cannot be
  /// adopted, an accepted loss that does not exist), storage.
  Result<std::vector<Finding>> open();
  /// Makes all records durable and marks the stop as clean; then calls `done`, unless the topics
  /// were destroyed. If a log fails, the others are still made durable; `done` gets the first
  /// error, and the stop is not marked as clean.
  void close(Disk::Synced done);

  [[nodiscard]] const std::string& cluster_id() const { return catalog_->cluster_id(); }
  [[nodiscard]] Topic* find(std::string_view name);
  [[nodiscard]] Topic* find(const TopicId& id);
  [[nodiscard]] const std::map<std::string, Topic, std::less<>>& all() const { return topics_; }
  [[nodiscard]] const log::LogConfig& log_defaults() const { return options_.log_defaults; }
  [[nodiscard]] std::size_t partition_count() const { return partition_count_; }
  /// Asserts the conditions that hold between two turns, also those of the partitions.
  void check_invariants() const;
  /// The reason why no topic of that name can be created: the data directory has records of one
  /// that the catalog does not list. None if it can be created.
  [[nodiscard]] std::optional<Error> refused_by_strays(std::string_view name);

  /// Checks the arguments of `create`. Errors: broker errors as in Apache Kafka (17, 36, 37, 40,
  /// 56).
  Result<void> check_new(const std::string& name, std::int32_t partitions,
                         const TopicConfig& config);
  /// Calls `done` within the call or later. Errors: as check_new; storage.
  void create(const std::string& name, std::int32_t partitions, const TopicConfig& config,
              Created done);
  /// Checks the arguments of `grow`. Errors: broker errors as in Apache Kafka (37, 39), 42 for the
  /// node's own topic, 56 if files are in the way.
  Result<void> check_growth(const Topic& topic, const Growth& growth);
  /// Adds partitions. They become visible together, once the catalog's line with the new number is
  /// durable; their directories and first files are durable before that line. Calls `done` within
  /// the call or later. Errors: unknown_topic_or_partition; as check_growth; storage.
  void grow(const TopicId& id, const Growth& growth, Grown done);
  /// The topic of groups and offsets, created at its first use.
  void offsets(Created done);
  /// Calls `done`, within the call or later, once the deletion is durable, the partitions are
  /// closed and their directories are renamed. The files are removed later; if that fails, `warn`
  /// is called. Errors: unknown_topic_or_partition, storage.
  void remove(const TopicId& id, Removed done);

  /// Makes calls for a name that no topic has wait until `release_name`. False if they already wait
  /// or the topic exists.
  [[nodiscard]] bool hold_name(const std::string& name);
  void release_name(const std::string& name) { set_free(name); }

  /// Notes that all records of the partition below `end` are about to be acknowledged. One small
  /// write, without a sync.
  void acknowledged(Partition& partition, Offset end) {
    run_note_->acknowledged(partition.noted, partition.note_place, end);
  }

  /// As RunNote::users_bytes.
  void note_users_bytes(std::uint64_t size) { run_note_->users_bytes(size); }

  /// The partition of the log. Null if it was deleted meanwhile.
  [[nodiscard]] PartitionRef owner_of(const log::PartitionLog& log) const;
  /// Checks a piece of the records that were not checked since the start. Returns whether there are
  /// more.
  bool check_more(Now now);

  /// Provides a producer id that was never given out and will not be after any crash. Calls `done`
  /// within the call or later. Errors: storage.
  void next_producer_id(std::move_only_function<void(Result<ProducerId>)> done);

 private:
  using ProducerIdDone = std::move_only_function<void(Result<ProducerId>)>;
  /// A topic that is being created, until it is listed.
  struct Making;
  /// A topic that gets partitions, until they are listed.
  struct Growing;

  [[nodiscard]] TopicFiles::Owner owner_of_files();
  void when_free(const std::string& name, Task then);
  void set_free(const std::string& name);
  void make(const std::string& name, std::int32_t partitions, const TopicConfig& config,
            const log::LogConfig& log_config, Created done);
  void list(const std::shared_ptr<Making>& making, TopicFiles::Partitions partitions);
  void end_making(const std::shared_ptr<Making>& making, Result<Topic*> outcome);
  [[nodiscard]] Result<void> check_catalog() const;
  [[nodiscard]] Result<void> check_total(const std::string& name, std::size_t added) const;
  void begin_growing(const Topic& topic, const Growth& growth, const log::LogConfig& config,
                     Grown done);
  void list(const std::shared_ptr<Growing>& growing, TopicFiles::Partitions partitions);
  void end_growing(const std::shared_ptr<Growing>& growing, Result<void> outcome);
  void withdraw(const std::string& name, TopicFiles::Partitions partitions, Task then);
  [[nodiscard]] const std::vector<Stray>* strays_of(std::string_view name);
  void put_away(const std::string& name, Removed done);
  void give_out_producer_ids(const Result<void>& reserved);
  Result<void> open_topics(std::vector<Finding>& findings);
  Result<void> open_topic(const std::string& name, const CatalogTopic& listed,
                          log::GroupOpening& opening, const std::shared_ptr<File>& parent_names,
                          std::vector<Finding>& findings);
  /// `is_anew`: its files are missing, and that loss is accepted.
  [[nodiscard]] log::OpenOptions options_for(const Topic& topic, std::int32_t index, bool is_anew,
                                             std::vector<Finding>& findings) const;
  void end_opening(Topic& topic, std::int32_t index, Result<log::PartitionLog::Opened> opened,
                   std::vector<Finding>& findings);
  static void refuse_partition(Topic& topic, std::int32_t index, const Error& why,
                               std::vector<Finding>& findings);
  Result<void> make_cluster_id();
  Result<void> find_strays();
  Result<void> adopt(std::vector<Finding>& findings);
  /// Lists partitions again that were added to a listed topic.
  Result<void> adopt_added(const std::string& name, std::vector<Finding>& findings);
  Result<void> check_that_catalog_is_there() const;
  Result<void> check_accepted_losses() const;
  [[nodiscard]] bool accepts_loss_of(std::string_view partition) const;
  void settle_strays(std::vector<Finding>& findings);
  Result<void> skip_producer_ids(std::vector<Finding>& findings);
  [[nodiscard]] bool is_listed(const PartitionDirectory& directory) const;
  [[nodiscard]] std::optional<Error> missing_files(const CatalogTopic& listed,
                                                   const std::string& name) const;
  Topic& place(Topic topic);
  void take_in(const PartitionRef& partition, const TopicId& id);
  void let_go(const PartitionRef& partition);
  struct Closing;
  void close_all(Disk::Synced done);
  void close_some(const std::shared_ptr<Closing>& closing);
  void write_recovery_points(const std::shared_ptr<Closing>& closing,
                             const std::vector<std::pair<PartitionRef, Offset>>& covered);
  void close_more(const std::shared_ptr<Closing>& closing);
  [[nodiscard]] log::OpenOptions open_options(const TopicId& id) const;
  // The ends of runs (last_stop.cpp).
  Result<void> read_last_stop(std::vector<Finding>& findings);
  [[nodiscard]] KnownSizes known_sizes_of_users() const;
  Result<void> open_users();
  [[nodiscard]] log::LastLife last_life_of(const NotedPartition& partition) const;
  Result<void> begin_run();
  Result<void> remove_clean_mark();
  Result<void> write_mark() const;
  void tell_of(const std::string& directory, const log::RecoveryReport& report,
               std::vector<Finding>& findings) const;
  [[nodiscard]] TopicId random_id();

  Disk* disk_;
  std::string directory_;
  SecureRandom* random_;
  std::unique_ptr<RunNote> run_note_;
  CleanStop last_stop_;
  std::unique_ptr<Catalog> catalog_;
  std::map<std::string, Topic, std::less<>> topics_;
  std::unordered_map<TopicId, Topic*> by_id_;
  /// Names of topics by the form in which they may not be equal. On an old disk several may have
  /// one form.
  std::unordered_multimap<std::string, std::string> undotted_;
  /// Stray directories by topic. After the start it holds only the kept ones.
  std::map<std::string, std::vector<Stray>, std::less<>> strays_;
  /// Texts about accepted losses that do not exist.
  std::vector<std::string> unfounded_losses_;
  Options options_;
  std::shared_ptr<log::FileCache> files_;
  std::unordered_map<const log::PartitionLog*, PartitionRef> owners_;
  log::BackgroundChecks checks_;
  /// Partitions of topics that are listed, being created or being deleted.
  std::size_t partition_count_ = 0;
  std::int64_t next_producer_id_ = 0;
  std::vector<ProducerIdDone> waiting_for_producer_ids_;
  TopicFiles topic_files_;
  /// By names in the form of `undotted_`: topics that are being created or deleted, with the tasks
  /// that wait for the outcome.
  std::unordered_map<std::string, std::deque<Task>> busy_;
  bool is_closing_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace dohle::node
