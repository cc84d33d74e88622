#include "node/storage/topics.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "base/topic_name.hpp"
#include "log/checkpoint.hpp"
#include "log/state_file.hpp"
#include "node/limits.hpp"
#include "node/storage/topic_names.hpp"

namespace dohle::node {

namespace {

// Ids are reserved in blocks, so that most requests write nothing. A crash skips the rest of a
// block.
constexpr std::int64_t producer_id_block = 1'000;

// Small segments, so that a start reads little. The largest record of a group fits in one.
constexpr std::size_t offsets_segment_bytes = std::size_t{8} << 20;
constexpr std::size_t ids_and_numbers_of_member = limits::max_instance_id_bytes + 128;
static_assert(limits::max_group_metadata_bytes + limits::max_group_assignment_bytes +
                  limits::max_group_members * ids_and_numbers_of_member <
              offsets_segment_bytes);

// Records do not expire; the log is rewritten instead.
log::LogConfig offsets_log_config() {
  log::LogConfig config;
  config.segment_bytes = static_cast<std::int64_t>(offsets_segment_bytes);
  config.retention_ms = -1;
  config.retention_bytes = -1;
  config.max_message_bytes = std::size_t{64} << 20;
  return config;
}

/// Stores the catalog's outcome in `outcome` while the node starts.
Catalog::Done into(Result<void>& outcome) {
  return [&outcome](Result<void> told) { outcome = std::move(told); };
}

Result<log::LogConfig> log_config_of(const std::string& name, const TopicConfig& config,
                                     const log::LogConfig& defaults) {
  if (name == offsets_topic) return offsets_log_config();
  return parse_topic_config(config, defaults);
}

}  // namespace

TopicTable::TopicTable(Disk& disk, std::string directory, SecureRandom& random, Options options)
    : disk_(&disk),
      directory_(std::move(directory)),
      random_(&random),
      options_(std::move(options)),
      files_(std::make_shared<log::FileCache>(options_.max_open_files)),
      topic_files_(*disk_, directory_, open_options({}), owner_of_files()) {}

TopicTable::~TopicTable() {
  *is_alive_ = false;
}

log::OpenOptions TopicTable::open_options(const TopicId& id) const {
  log::OpenOptions options;
  options.topic_id = id;
  options.visible = options_.visible;
  options.files = files_;
  options.events = options_.events;
  return options;
}

Result<std::vector<TopicTable::Finding>> TopicTable::open() {
  std::vector<Finding> findings;
  if (auto read = read_last_stop(findings); !read) return fail(read.error());
  Catalog::Options of_catalog;
  of_catalog.sizes.marked = last_stop_.catalog_bytes;
  if (run_note_->earlier().is_same_boot) {
    of_catalog.sizes.noted = run_note_->earlier().catalog_bytes;
  }
  of_catalog.note = [this](std::uint64_t bytes) { run_note_->catalog_bytes(bytes); };
  of_catalog.warn = options_.warn;
  const bool is_lost = !disk_->exists(directory_ + "/" + std::string(Catalog::file_name));
  // With `adopt` set the user knows that the old catalog is lost.
  if (is_lost && !options_.adopt.empty()) of_catalog.sizes = {};
  auto catalog = Catalog::open(*disk_, directory_, std::move(of_catalog));
  if (!catalog) return fail(catalog.error());
  catalog_ = *std::move(catalog);
  if (auto found = find_strays(); !found) return fail(found.error());
  if (auto adopted = adopt(findings); !adopted) return fail(adopted.error());
  const bool is_new = catalog_->cluster_id().empty();
  if (auto checked = check_that_catalog_is_there(); is_new && !checked) {
    return fail(checked.error());
  }
  if (auto named = check_accepted_losses(); !named) return fail(named.error());
  if (auto opened = open_users(); !opened) return fail(opened.error());
  // Losses are given up before begin_run removes the mark, which would not fit them.
  if (!options_.accept_losses.empty()) {
    if (auto removed = remove_clean_mark(); !removed) return fail(removed.error());
  }
  if (auto made = make_cluster_id(); !made) return fail(made.error());
  next_producer_id_ = catalog_->free_producer_id();

  if (auto opened = open_topics(findings); !opened) return fail(opened.error());
  settle_strays(findings);
  if (catalog_->journal().dropped_bytes() > 0 || (is_new && !topics_.empty())) {
    if (auto skipped = skip_producer_ids(findings); !skipped) return fail(skipped.error());
  }
  if (auto begun = begin_run(); !begun) return fail(begun.error());
  // Checked after begin_run, since other losses may have been given up already, which the mark of
  // the last stop does not include.
  if (!unfounded_losses_.empty()) {
    return fail(Error::configuration("accept_loss: " + unfounded_losses_.front()));
  }
  catalog_->work_beside();
  return findings;
}

// Files that wait open for a sync, when no connections have their descriptors yet. Fewer files make
// more groups, each of which waits for the device.
std::size_t max_unsynced_files(std::size_t max_open_files) {
  const bool is_scarce = max_open_files < log::FileCache::open_max_default;
  return is_scarce ? max_open_files : 3 * max_open_files;
}

// The recoveries of all partitions share their syncs.
Result<void> TopicTable::open_topics(std::vector<Finding>& findings) {
  log::GroupOpening opening(*disk_, max_unsynced_files(options_.max_open_files));
  const auto parent_names = disk_->names_in(directory_);
  for (const auto& [name, listed] : catalog_->topics()) {
    auto opened = open_topic(name, listed, opening, parent_names, findings);
    if (!opened) return opened;
  }
  opening.finish();
  for (const auto& [name, topic] : topics_) {
    for (const PartitionRef& partition : topic.partitions) take_in(partition, topic.id);
    partition_count_ += topic.partitions.size();
  }
  return {};
}

// Partitions are null until their opening is finished.
Result<void> TopicTable::open_topic(const std::string& name, const CatalogTopic& listed,
                                    log::GroupOpening& opening,
                                    const std::shared_ptr<File>& parent_names,
                                    std::vector<Finding>& findings) {
  const auto config = log_config_of(name, listed.config, options_.log_defaults);
  if (!config) {
    return fail(Error::storage(Errc::damaged, "the catalog's settings of topic " + name + ": " +
                                                  std::string(config.error().message())));
  }
  Topic& topic = place({name, listed.id, listed.config, {}, name == offsets_topic});
  topic.partitions.resize(static_cast<std::size_t>(listed.partitions));
  for (std::int32_t i = 0; i < listed.partitions; ++i) {
    const std::string partition = partition_name(name, i);
    const auto missing = missing_files(listed, partition);
    if (missing && !accepts_loss_of(partition)) {
      refuse_partition(topic, i, *missing, findings);
      continue;
    }
    log::OpenOptions options = options_for(topic, i, missing.has_value(), findings);
    options.parent_names = parent_names;
    opening.open(topic_files_.directory_of(name, i), *config, std::move(options),
                 [this, &topic, i, &findings](Result<log::PartitionLog::Opened> opened) {
                   end_opening(topic, i, std::move(opened), findings);
                 });
  }
  return {};
}

// Files of 0.1.0 may never have reached the disk.
std::optional<Error> TopicTable::missing_files(const CatalogTopic& listed,
                                               const std::string& name) const {
  if (!listed.has_durable_files) return std::nullopt;
  const std::string directory = directory_ + "/" + name;
  if (disk_->exists(directory + "/" + std::string(log::StateFile::name))) return std::nullopt;
  const bool is_there = disk_->exists(directory);
  if (is_there) {
    const auto entries = disk_->list(directory);
    if (!entries) return entries.error();
    const auto is_segment = [](const DirectoryEntry& entry) {
      return entry.name.ends_with(".log");
    };
    if (std::ranges::any_of(*entries, is_segment)) return std::nullopt;
  }
  return Error::storage(
      Errc::damaged,
      "partition " + directory + ": " + (is_there ? "all of its files are" : "its directory is") +
          " missing, which were on disk when its topic was created: restore the "
          "directory from a copy, or delete the topic, or start the node with "
          "--accept-loss " +
          name + "@0, which gives up all records of the partition and begins it anew after them");
}

// An accepted loss is copied from a log line, so an unknown name is a mistake.
Result<void> TopicTable::check_accepted_losses() const {
  for (const AcceptedLoss& loss : options_.accept_losses) {
    const std::string what =
        "accept_loss: " + loss.partition + "@" + std::to_string(loss.offset.value) + ": ";
    const auto named = parse_partition_directory(loss.partition);
    const auto found = named ? catalog_->topics().find(named->topic) : catalog_->topics().end();
    if (found == catalog_->topics().end()) {
      return fail(Error::configuration(what + "there is no such topic in " + directory_));
    }
    if (named->partition >= found->second.partitions) {
      return fail(Error::configuration(what + "topic " + named->topic + " has " +
                                       std::to_string(found->second.partitions) + " partitions"));
    }
  }
  return {};
}

bool TopicTable::accepts_loss_of(std::string_view partition) const {
  return std::ranges::any_of(options_.accept_losses, [&](const AcceptedLoss& loss) {
    return loss.partition == partition && loss.offset == Offset{0};
  });
}

void TopicTable::refuse_partition(Topic& topic, std::int32_t index, const Error& why,
                                  std::vector<Finding>& findings) {
  findings.push_back({true, std::string(why.message()) +
                                std::string(topic.is_internal ? groups_wait : std::string_view())});
  topic.partitions[static_cast<std::size_t>(index)] =
      std::make_shared<Partition>(topic.name, PartitionId{index}, why);
}

log::OpenOptions TopicTable::options_for(const Topic& topic, std::int32_t index, bool is_anew,
                                         std::vector<Finding>& findings) const {
  const std::string directory = topic_files_.directory_of(topic.name, index);
  const PartitionId id{index};
  log::OpenOptions options = open_options(topic.id);
  options.last = last_life_of({topic.id, id});
  for (const AcceptedLoss& loss : options_.accept_losses) {
    const bool is_this = loss.partition == partition_name(topic.name, index);
    if (is_this) options.accepted_losses.push_back(loss.offset);
  }
  if (is_anew) {
    // After every offset that a client was told of, so that none is assigned twice.
    const Offset told = options.last.told_end.value_or(Offset{0});
    const Offset begins = std::max(told, log::acknowledged_end(options.last, Offset{0}));
    options.last = {};
    options.last.noted_end = begins;
    if (begins == Offset{0}) options.accepted_losses.clear();
    findings.push_back({false, "--accept-loss: partition " + directory + " begins anew at offset " +
                                   std::to_string(begins.value) +
                                   "; all of its records are given up"});
  }
  return options;
}

void TopicTable::end_opening(Topic& topic, std::int32_t index,
                             Result<log::PartitionLog::Opened> opened,
                             std::vector<Finding>& findings) {
  if (!opened) return refuse_partition(topic, index, opened.error(), findings);
  tell_of(topic_files_.directory_of(topic.name, index), opened->report, findings);
  std::ranges::copy(opened->report.unfounded, std::back_inserter(unfounded_losses_));
  topic.partitions[static_cast<std::size_t>(index)] =
      std::make_shared<Partition>(topic.name, PartitionId{index}, std::move(opened->log));
}

void TopicTable::tell_of(const std::string& directory, const log::RecoveryReport& report,
                         std::vector<Finding>& findings) const {
  for (const std::string& line : report.accepted) findings.push_back({false, line});
  if (report.cut_bytes > 0) {
    findings.push_back(
        {false, "partition " + directory + ": cut " + std::to_string(report.cut_bytes) +
                    " bytes of unacknowledged records, offsets " +
                    std::to_string(report.cut_from.value) + " to " +
                    std::to_string(report.cut_to.value) + "; they are kept in " + report.kept_in +
                    (report.unwritten ? " once there is space" : "") + " (" + report.why + ")" +
                    (report.may_be_missing.empty() ? "" : "; " + report.may_be_missing)});
  }
  if (!report.missing_to.is_none()) {
    findings.push_back({false, "partition " + directory + ": records up to offset " +
                                   std::to_string(report.missing_to.value) +
                                   " were acknowledged, and the log ends before; " +
                                   report.may_be_missing});
  }
  if (report.unwritten) {
    findings.push_back(
        {false, "partition " + directory +
                    ": the disk is full; the partition can only be read until there is space (" +
                    std::string(report.unwritten->message()) + ")"});
  }
}

Result<void> TopicTable::make_cluster_id() {
  Result<void> stored;
  if (!catalog_->cluster_id().empty()) return stored;
  catalog_->set_cluster_id(random_id().to_string(), into(stored));
  return stored;
}

// Removes directories that a deletion had renamed before the node stopped, and finds those that the
// catalog does not list.
Result<void> TopicTable::find_strays() {
  auto entries = disk_->list(directory_);
  if (!entries) return fail(entries.error());
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.is_directory) continue;
    if (TopicFiles::is_doomed(entry.name)) {
      auto removed = disk_->remove_all(directory_ + "/" + entry.name);
      if (!removed) return removed;
      continue;
    }
    const auto name = parse_partition_directory(entry.name);
    if (!name || is_listed(*name)) continue;
    auto stray = look_at_directory(*disk_, directory_, *name);
    if (!stray) return fail(stray.error());
    if (*stray) strays_[name->topic].push_back(**std::move(stray));
  }
  return {};
}

bool TopicTable::is_listed(const PartitionDirectory& directory) const {
  const auto found = catalog_->topics().find(directory.topic);
  return found != catalog_->topics().end() && directory.partition < found->second.partitions;
}

Result<void> TopicTable::adopt(std::vector<Finding>& findings) {
  for (const std::string& name : options_.adopt) {
    // The option may stay set for later starts.
    if (catalog_->topics().contains(name)) {
      if (auto added = adopt_added(name, findings); !added) return added;
      continue;
    }
    auto topic = adopted_topic(name, strays_[name], random_id());
    if (!topic) return fail(topic.error().within(directory_));
    for (const auto& [other, listed] : catalog_->topics()) {
      if (listed.id != topic->id) continue;
      return fail(Error::configuration("adopt: topic " + name + ": its directories in " +
                                       directory_ + " are those of topic " + other +
                                       ", renamed: give them their names again"));
    }
    // The mark states the size of the catalog, which changes here, before begin_run removes the
    // mark.
    if (auto removed = remove_clean_mark(); !removed) return removed;
    Result<void> added;
    catalog_->add(name, *topic, into(added));
    if (!added) return added;
    findings.push_back({false, "topic " + name + " is listed again, with " +
                                   std::to_string(topic->partitions) +
                                   " partitions and the default settings (--adopt)"});
    strays_.erase(name);
  }
  return {};
}

// A copy of the catalog may be older than an addition.
Result<void> TopicTable::adopt_added(const std::string& name, std::vector<Finding>& findings) {
  const auto found = strays_.find(name);
  if (found == strays_.end()) return {};
  CatalogTopic topic = catalog_->topics().at(name);
  const std::int32_t total = partitions_with(topic, found->second);
  if (total == topic.partitions) return {};
  findings.push_back({false, "topic " + name + " has " + std::to_string(total) +
                                 " partitions again, and not " + std::to_string(topic.partitions) +
                                 " (--adopt)"});
  // The mark is removed first, as in `adopt`.
  if (auto removed = remove_clean_mark(); !removed) return removed;
  topic.partitions = total;
  Result<void> added;
  catalog_->add(name, std::move(topic), into(added));
  std::erase_if(found->second, [total](const Stray& stray) { return stray.partition < total; });
  return added;
}

Result<void> TopicTable::check_that_catalog_is_there() const {
  for (const auto& [name, strays] : strays_) {
    if (strays.empty()) continue;
    return fail(Error::storage(
        Errc::damaged, directory_ + "/" + strays.front().name() +
                           " is a partition, but there was no catalog in " + directory_ +
                           " that names its topic: restore the catalog from a copy, or list each "
                           "topic again with --adopt TOPIC, or move the partition away"));
  }
  return {};
}

void TopicTable::settle_strays(std::vector<Finding>& findings) {
  std::vector<Stray> kept, removed;
  for (auto& [name, strays] : strays_) {
    // Partitions without records are kept beside others of their topic, for `adopt`.
    std::set<std::optional<TopicId>> ids;
    for (const Stray& stray : strays) {
      if (!may_be_removed(stray, *catalog_)) ids.insert(stray.id);
    }
    const auto gone =
        std::ranges::partition(strays, [&](const Stray& stray) { return ids.contains(stray.id); });
    removed.insert(removed.end(), gone.begin(), gone.end());
    strays.erase(gone.begin(), gone.end());
    kept.insert(kept.end(), strays.begin(), strays.end());
  }
  std::erase_if(strays_, [](const auto& entry) { return entry.second.empty(); });
  if (const auto line = line_about_strays(directory_, kept, removed)) {
    findings.push_back({false, *line});
  }
  for (const Stray& stray : removed) {
    const std::string directory = topic_files_.directory_of(stray.topic, stray.partition);
    const std::string doomed = topic_files_.doomed_directory(stray.topic, stray.partition,
                                                             stray.id ? *stray.id : random_id());
    if (auto renamed = disk_->rename(directory, doomed); renamed) {
      topic_files_.remove_later(doomed);
    } else {
      options_.warn(std::string(renamed.error().message()));
    }
  }
}

// A dropped line may have reserved ids that are in use. If a producer got one of them again, its
// first batches would be taken for duplicates.
Result<void> TopicTable::skip_producer_ids(std::vector<Finding>& findings) {
  std::int64_t next = catalog_->free_producer_id();
  for (const auto& [log, partition] : owners_) {
    auto highest = partition->log()->highest_producer_id();
    if (!highest) {
      findings.push_back({true, std::string(highest.error().message())});
      continue;
    }
    next = std::max(next, highest->value + 1);
  }
  next += producer_id_block;
  Result<void> stored;
  catalog_->set_free_producer_id(next, into(stored));
  if (!stored) return stored;
  next_producer_id_ = next;
  const std::uint64_t dropped = catalog_->journal().dropped_bytes();
  findings.push_back(
      {false, catalog_->journal().path() + ": " +
                  (dropped > 0 ? "dropped " + std::to_string(dropped) +
                                     " bytes of an unacknowledged last change that a crash cut off"
                               : std::string("begun anew")) +
                  "; producer ids go on from " + std::to_string(next)});
  return {};
}

/// Null if there are none any more.
const std::vector<Stray>* TopicTable::strays_of(std::string_view name) {
  const auto found = strays_.find(name);
  if (found == strays_.end()) return nullptr;
  std::erase_if(found->second, [&](const Stray& stray) {
    return !disk_->exists(topic_files_.directory_of(stray.topic, stray.partition));
  });
  if (!found->second.empty()) return &found->second;
  strays_.erase(found);
  return nullptr;
}

std::optional<Error> TopicTable::refused_by_strays(std::string_view name) {
  const std::vector<Stray>* const strays = strays_of(name);
  if (strays == nullptr) return std::nullopt;
  return Error::broker(broker_error::kafka_storage_error, "topic " + std::string(name),
                       "the node's directory " + strays->front().name() +
                           " holds records of a topic or partition that its catalog does not "
                           "list: start it with --adopt " +
                           std::string(name) + " to list that again, or move the directory away");
}

/// A clean stop in progress. Partitions are closed some at a time, since each has files open
/// meanwhile.
struct TopicTable::Closing {
  std::vector<PartitionRef> partitions;
  std::size_t next = 0;
  /// The recovery points of closing partitions that are not written.
  std::size_t unwritten_points = 0;
  Result<void> outcome;
  Disk::Synced done;

  void note(Result<void> with) {
    if (outcome && !with) outcome = std::move(with);
  }
};

void TopicTable::close(Disk::Synced done) {
  is_closing_ = true;
  topic_files_.stop([this, done = std::move(done)]() mutable {
    catalog_->when_idle([this, done = std::move(done)]() mutable { close_all(std::move(done)); });
  });
}

void TopicTable::close_all(Disk::Synced done) {
  auto closing = std::make_shared<Closing>();
  closing->done = std::move(done);
  for (auto& [name, topic] : topics_) {
    for (const PartitionRef& partition : topic.partitions) {
      if (partition->fault() == nullptr) closing->partitions.push_back(partition);
    }
  }
  close_some(closing);
}

void TopicTable::close_some(const std::shared_ptr<Closing>& closing) {
  const std::size_t at_once = std::max<std::size_t>(1, options_.max_open_files / 4);
  std::vector<std::pair<PartitionRef, Offset>> covered;
  std::vector<std::shared_ptr<File>> files;
  for (; covered.size() < at_once && closing->next < closing->partitions.size(); ++closing->next) {
    const PartitionRef& partition = closing->partitions[closing->next];
    if (partition->fault() != nullptr) continue;
    log::PartitionLog& log = *partition->log();
    closing->note(log.flush());
    for (auto& file : log.dirty_files()) files.push_back(std::move(file));
    covered.emplace_back(partition, log.end());
  }
  disk_->sync(std::move(files), [this, alive = is_alive_, closing,
                                 covered = std::move(covered)](const Result<void>& synced) {
    if (!*alive) return;
    closing->note(synced);
    if (!synced) return close_more(closing);
    write_recovery_points(closing, covered);
  });
}

void TopicTable::write_recovery_points(
    const std::shared_ptr<Closing>& closing,
    const std::vector<std::pair<PartitionRef, Offset>>& covered) {
  // Counts this call, too.
  closing->unwritten_points = covered.size() + 1;
  const auto written = [this, alive = is_alive_, closing](Result<void> outcome) {
    closing->note(std::move(outcome));
    if (--closing->unwritten_points == 0 && *alive) close_more(closing);
  };
  for (const auto& [partition, end] : covered) {
    if (partition->fault() != nullptr) {
      written({});
      continue;
    }
    partition->log()->synced(end);
    partition->log()->write_recovery_point_beside(written);
  }
  written({});
}

void TopicTable::close_more(const std::shared_ptr<Closing>& closing) {
  if (closing->next < closing->partitions.size()) return close_some(closing);
  if (closing->outcome) closing->note(write_mark());
  closing->done(closing->outcome);
}

Topic* TopicTable::find(std::string_view name) {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

Topic* TopicTable::find(const TopicId& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

void TopicTable::check_invariants() const {
  catalog_->check_invariants();
  DOHLE_ASSERT(by_id_.size() == topics_.size(), "two topics have one id");
  DOHLE_ASSERT(undotted_.size() == topics_.size(), "a topic that is gone keeps its name");
  DOHLE_ASSERT(next_producer_id_ <= catalog_->free_producer_id(),
               "a producer id was given out that is not reserved");
  std::size_t partitions = 0;
  for (const auto& [name, topic] : topics_) {
    DOHLE_ASSERT(name == topic.name, "a topic is stored under another one's name");
    const auto found = by_id_.find(topic.id);
    DOHLE_ASSERT(found != by_id_.end() && found->second == &topic,
                 "a topic's id leads to another topic");
    partitions += topic.partitions.size();
    for (const PartitionRef& partition : topic.partitions) {
      DOHLE_ASSERT(!partition->is_closed(), "a partition of a topic is closed");
      DOHLE_ASSERT(partition->visible_bytes <= partition->appended_bytes,
                   "consumers see more than was appended");
      if (partition->log() == nullptr) continue;
      DOHLE_ASSERT(owner_of(*partition->log()) == partition, "a log belongs to no partition");
      partition->log()->check_invariants();
    }
  }
  DOHLE_ASSERT(partitions <= partition_count_, "topics have partitions that are not counted");
}

// --- creation and deletion

struct TopicTable::Making {
  Topic topic;
  std::int32_t partitions;
  Created done;
};

TopicFiles::Owner TopicTable::owner_of_files() {
  return {[this](const Stray& stray) { return may_be_removed(stray, *catalog_); },
          [this](const Stray& stray) { strays_[stray.topic].push_back(stray); },
          [this](const PartitionRef& made, const TopicId& id) { take_in(made, id); },
          [this](const PartitionRef& partition) { let_go(partition); },
          [this](const PartitionRef& partition) { options_.on_closed(partition); },
          [this](std::string_view line) { options_.warn(line); }};
}

// Names that may not both exist also wait for each other.
void TopicTable::when_free(const std::string& name, Task then) {
  const auto found = busy_.find(undotted(name));
  if (found == busy_.end()) return then();
  found->second.push_back(std::move(then));
}

void TopicTable::set_free(const std::string& name) {
  const std::string key = undotted(name);
  DOHLE_ASSERT(busy_.contains(key), "a free name is freed again");
  auto waiting = std::move(busy_.extract(key).mapped());
  while (!waiting.empty()) {
    if (const auto again = busy_.find(key); again != busy_.end()) {
      for (Task& later : again->second) waiting.push_back(std::move(later));
      again->second = std::move(waiting);
      return;
    }
    Task next = std::move(waiting.front());
    waiting.pop_front();
    next();
  }
}

bool TopicTable::hold_name(const std::string& name) {
  return find(name) == nullptr && busy_.try_emplace(undotted(name)).second;
}

Result<void> TopicTable::check_new(const std::string& name, std::int32_t partitions,
                                   const TopicConfig& config) {
  if (auto legal = check_topic_name(name); !legal) return legal;
  if (name == offsets_topic) {
    return fail(Error::broker(broker_error::invalid_topic_exception, "topic " + name,
                              "the node makes this topic itself"));
  }
  if (find(name) != nullptr) {
    return fail(Error::broker(broker_error::topic_already_exists, "topic " + name,
                              "Topic '" + name + "' already exists."));
  }
  if (const auto other = undotted_.find(undotted(name)); other != undotted_.end()) {
    return fail(Error::broker(broker_error::invalid_topic_exception, "topic " + name,
                              "Topic '" + name + "' collides with existing topic: " +
                                  other->second + " (they differ by '.' and '_' alone)"));
  }
  if (partitions < 1) {
    return fail(Error::broker(broker_error::invalid_partitions, "topic " + name,
                              "Number of partitions was set to an invalid non-positive value."));
  }
  if (auto fits = check_total(name, static_cast<std::size_t>(partitions)); !fits) return fits;
  if (auto refused = refused_by_strays(name)) return fail(*std::move(refused));
  if (auto parsed = parse_topic_config(config, options_.log_defaults); !parsed) {
    return fail(parsed.error());
  }
  return {};
}

// A refused line of a broken catalog may be on disk. It states a topic's id, and that its files are
// on disk. Another attempt would replace these files, by those of another id.
Result<void> TopicTable::check_catalog() const {
  const Error* const broken = catalog_->journal().fault();
  return broken == nullptr ? Result<void>() : fail(*broken);
}

void TopicTable::create(const std::string& name, std::int32_t partitions, const TopicConfig& config,
                        Created done) {
  when_free(name, [this, name, partitions, config, done = std::move(done)]() mutable {
    if (auto checked = check_new(name, partitions, config); !checked) {
      return done(fail(checked.error()));
    }
    if (auto usable = check_catalog(); !usable) return done(fail(usable.error()));
    const auto parsed = parse_topic_config(config, options_.log_defaults);
    make(name, partitions, config, *parsed, std::move(done));
  });
}

void TopicTable::offsets(Created done) {
  const std::string name(offsets_topic);
  when_free(name, [this, name, done = std::move(done)]() mutable {
    if (Topic* topic = find(name)) return done(topic);
    if (auto refused = refused_by_strays(name)) return done(fail(*std::move(refused)));
    if (auto usable = check_catalog(); !usable) return done(fail(usable.error()));
    make(name, 1, {}, offsets_log_config(), std::move(done));
  });
}

void TopicTable::make(const std::string& name, std::int32_t partitions, const TopicConfig& config,
                      const log::LogConfig& log_config, Created done) {
  auto making = std::make_shared<Making>(
      Making{{name, random_id(), config, {}, name == offsets_topic}, partitions, std::move(done)});
  busy_.try_emplace(undotted(name));
  partition_count_ += static_cast<std::size_t>(partitions);
  topic_files_.make({name, making->topic.id, 0, partitions, log_config},
                    [this, making](Result<TopicFiles::Partitions> made) {
                      if (!made) return end_making(making, fail(made.error()));
                      list(making, *std::move(made));
                    });
}

void TopicTable::list(const std::shared_ptr<Making>& making, TopicFiles::Partitions partitions) {
  Topic& topic = making->topic;
  topic.partitions = std::move(partitions);
  catalog_->add(topic.name, {topic.id, making->partitions, topic.config, true},
                [this, making](Result<void> stored) {
                  if (stored) return end_making(making, &place(std::move(making->topic)));
                  const auto refuse = [this, making, why = stored.error()] {
                    end_making(making, fail(why));
                  };
                  withdraw(making->topic.name, std::exchange(making->topic.partitions, {}), refuse);
                });
}

/// Gives up partitions that could not be listed.
void TopicTable::withdraw(const std::string& name, TopicFiles::Partitions partitions, Task then) {
  if (!catalog_->journal().is_broken()) {
    return topic_files_.discard(name, std::move(partitions), std::move(then));
  }
  // The files stay: the line may be on disk, and states that they are.
  for (const PartitionRef& partition : partitions) let_go(partition);
  then();
}

void TopicTable::end_making(const std::shared_ptr<Making>& making, Result<Topic*> outcome) {
  DOHLE_ASSERT(partition_count_ >= static_cast<std::size_t>(making->partitions),
               "a topic is made uncounted");
  if (!outcome) partition_count_ -= static_cast<std::size_t>(making->partitions);
  const std::string name = outcome ? (*outcome)->name : making->topic.name;
  making->done(outcome);
  set_free(name);
}

// --- growth

struct TopicTable::Growing {
  std::string topic;
  std::int32_t partitions;
  std::size_t added;
  Grown done;
};

Result<void> TopicTable::check_growth(const Topic& topic, const Growth& growth) {
  const auto refused = [&](std::int16_t code, const std::string& why) {
    return fail(Error::broker(code, "topic " + topic.name, why));
  };
  if (topic.is_internal) {
    return refused(broker_error::invalid_request,
                   "the node needs this topic itself, with the partitions that it has");
  }
  const auto has = static_cast<std::int32_t>(topic.partitions.size());
  if (growth.partitions == has) {
    return refused(broker_error::invalid_partitions,
                   "Topic already has " + std::to_string(has) + " partition(s).");
  }
  if (growth.partitions < has) {
    return refused(broker_error::invalid_partitions, "The topic " + topic.name + " currently has " +
                                                         std::to_string(has) + " partition(s); " +
                                                         std::to_string(growth.partitions) +
                                                         " would not be an increase.");
  }
  const auto added = static_cast<std::size_t>(growth.partitions - has);
  if (growth.assignments && *growth.assignments != added) {
    return refused(broker_error::invalid_replica_assignment,
                   "Attempted to add " + std::to_string(added) +
                       " additional partition(s), but only " + std::to_string(*growth.assignments) +
                       " assignment(s) were specified.");
  }
  if (auto fits = check_total(topic.name, added); !fits) return fits;
  if (const std::vector<Stray>* const strays = strays_of(topic.name)) {
    for (const Stray& stray : *strays) {
      if (stray.partition >= growth.partitions) continue;
      if (stray.id == topic.id) return fail(*refused_by_strays(topic.name));
      return fail(in_the_way(topic.name, stray.partition));
    }
  }
  return {};
}

Result<void> TopicTable::check_total(const std::string& name, std::size_t added) const {
  if (partition_count_ + added <= limits::max_partitions) return {};
  return fail(Error::broker(broker_error::invalid_partitions, "topic " + name,
                            "all topics together may have at most " +
                                std::to_string(limits::max_partitions) + " partitions"));
}

void TopicTable::grow(const TopicId& id, const Growth& growth, Grown done) {
  const Topic* const topic = find(id);
  if (topic == nullptr) {
    return done(
        fail(Error::broker(broker_error::unknown_topic_or_partition, "topic " + id.to_string())));
  }
  if (busy_.contains(undotted(topic->name))) {
    return when_free(topic->name, [this, id, growth, done = std::move(done)]() mutable {
      grow(id, growth, std::move(done));
    });
  }
  if (auto checked = check_growth(*topic, growth); !checked) return done(std::move(checked));
  if (auto usable = check_catalog(); !usable) return done(std::move(usable));
  const auto config = log_config_of(topic->name, topic->config, options_.log_defaults);
  if (!config) return done(fail(config.error()));
  begin_growing(*topic, growth, *config, std::move(done));
}

void TopicTable::begin_growing(const Topic& topic, const Growth& growth,
                               const log::LogConfig& config, Grown done) {
  const auto has = static_cast<std::int32_t>(topic.partitions.size());
  const auto added = static_cast<std::size_t>(growth.partitions - has);
  auto growing =
      std::make_shared<Growing>(Growing{topic.name, growth.partitions, added, std::move(done)});
  busy_.try_emplace(undotted(topic.name));
  partition_count_ += added;
  topic_files_.make({topic.name, topic.id, has, growth.partitions, config},
                    [this, growing](Result<TopicFiles::Partitions> made) {
                      if (!made) return end_growing(growing, fail(made.error()));
                      list(growing, *std::move(made));
                    });
}

void TopicTable::list(const std::shared_ptr<Growing>& growing, TopicFiles::Partitions partitions) {
  CatalogTopic listed = catalog_->topics().at(growing->topic);
  listed.partitions = growing->partitions;
  auto added = std::make_shared<TopicFiles::Partitions>(std::move(partitions));
  catalog_->add(growing->topic, std::move(listed), [this, growing, added](Result<void> stored) {
    if (!stored) {
      return withdraw(growing->topic, std::move(*added),
                      [this, growing, why = stored.error()] { end_growing(growing, fail(why)); });
    }
    Topic* const topic = find(growing->topic);
    DOHLE_ASSERT(topic != nullptr, "a topic that gets partitions is gone");
    std::ranges::move(*added, std::back_inserter(topic->partitions));
    end_growing(growing, {});
  });
}

void TopicTable::end_growing(const std::shared_ptr<Growing>& growing, Result<void> outcome) {
  DOHLE_ASSERT(partition_count_ >= growing->added, "partitions are added uncounted");
  if (!outcome) partition_count_ -= growing->added;
  growing->done(std::move(outcome));
  set_free(growing->topic);
}

Topic& TopicTable::place(Topic topic) {
  const std::string name = topic.name;
  DOHLE_ASSERT(!topics_.contains(name), "a topic is listed twice");
  Topic& placed = topics_.emplace(name, std::move(topic)).first->second;
  by_id_[placed.id] = &placed;
  undotted_.emplace(undotted(name), name);
  return placed;
}

void TopicTable::take_in(const PartitionRef& partition, const TopicId& id) {
  partition->noted = {id, partition->index()};
  log::PartitionLog* const log = partition->log();
  if (log == nullptr) return;
  owners_[log] = partition;
  if (log->unchecked_bytes() > 0) checks_.add(*log);
}

void TopicTable::let_go(const PartitionRef& partition) {
  run_note_->forget(partition->noted);
  log::PartitionLog* const log = partition->log();
  if (log == nullptr) return;
  checks_.remove(*log);
  owners_.erase(log);
}

void TopicTable::remove(const TopicId& id, Removed done) {
  const Topic* const topic = find(id);
  if (topic == nullptr) {
    return done(
        fail(Error::broker(broker_error::unknown_topic_or_partition, "topic " + id.to_string())));
  }
  const std::string name = topic->name;
  if (busy_.contains(undotted(name))) {
    return when_free(name,
                     [this, id, done = std::move(done)]() mutable { remove(id, std::move(done)); });
  }
  busy_.try_emplace(undotted(name));
  catalog_->remove(name, [this, name, done = std::move(done)](Result<void> stored) mutable {
    if (stored) return put_away(name, std::move(done));
    done(std::move(stored));
    set_free(name);
  });
}

void TopicTable::put_away(const std::string& name, Removed done) {
  auto node = topics_.extract(name);
  DOHLE_ASSERT(!node.empty(), "a topic is put away that is not listed");
  Topic& topic = node.mapped();
  by_id_.erase(topic.id);
  const auto [first, last] = undotted_.equal_range(undotted(name));
  undotted_.erase(
      std::find_if(first, last, [&](const auto& entry) { return entry.second == name; }));
  const std::size_t partitions = topic.partitions.size();
  topic_files_.put_away(name, topic.id, std::move(topic.partitions),
                        [this, name, partitions, done = std::move(done)]() mutable {
                          partition_count_ -= partitions;
                          options_.on_removed(name, [this, name, done = std::move(done)]() mutable {
                            done({});
                            set_free(name);
                          });
                        });
}

PartitionRef TopicTable::owner_of(const log::PartitionLog& log) const {
  const auto found = owners_.find(&log);
  return found == owners_.end() ? nullptr : found->second;
}

bool TopicTable::check_more(Now now) {
  checks_.tick(now);
  return !checks_.is_done();
}

void TopicTable::next_producer_id(ProducerIdDone done) {
  if (waiting_for_producer_ids_.empty() && next_producer_id_ < catalog_->free_producer_id()) {
    return done(ProducerId{next_producer_id_++});
  }
  waiting_for_producer_ids_.push_back(std::move(done));
  if (waiting_for_producer_ids_.size() > 1) return;
  catalog_->set_free_producer_id(
      next_producer_id_ + producer_id_block,
      [this](const Result<void>& reserved) { give_out_producer_ids(reserved); });
}

void TopicTable::give_out_producer_ids(const Result<void>& reserved) {
  for (ProducerIdDone& done : std::exchange(waiting_for_producer_ids_, {})) {
    if (reserved) {
      next_producer_id(std::move(done));
    } else {
      done(fail(reserved.error()));
    }
  }
}

TopicId TopicTable::random_id() {
  TopicId id;
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint64_t bits = random_->next();
    std::memcpy(id.bytes.data() + 8 * half, &bits, sizeof bits);
  }
  return id;
}

}  // namespace dohle::node
