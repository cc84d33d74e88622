#include "node/storage/topics.hpp"

#include <algorithm>
#include <cstring>

#include "base/broker_errors.hpp"
#include "base/topic_name.hpp"
#include "log/checkpoint.hpp"
#include "log/state_file.hpp"
#include "node/limits.hpp"
#include "node/storage/topic_names.hpp"

namespace dohle::node {

namespace {

/// What a deleted partition's directory is called until its files are gone.
constexpr std::string_view deleted_suffix = "-delete";
constexpr std::size_t max_doomed_name_bytes = 200;
// Ids are reserved in blocks, so that most requests write nothing; a crash skips the rest of one.
constexpr std::int64_t producer_id_block = 1'000;

/// TOPIC-N.ID-delete; other directories of such an end are somebody else's.
bool is_doomed(std::string_view name) {
  if (!name.ends_with(deleted_suffix)) return false;
  name.remove_suffix(deleted_suffix.size());
  const auto dot = name.rfind('.');
  return dot != name.npos && parse_partition_directory(name.substr(0, dot)) &&
         TopicId::parse(name.substr(dot + 1));
}

// Small segments, so that little is read at a start; nothing expires, it is rewritten.
log::LogConfig offsets_log_config() {
  log::LogConfig config;
  config.segment_bytes = std::int64_t{8} << 20;
  config.retention_ms = -1;
  config.retention_bytes = -1;
  config.max_message_bytes = std::size_t{64} << 20;
  return config;
}

Result<log::LogConfig> log_config_of(const std::string& name, const TopicConfig& config,
                                     const log::LogConfig& defaults) {
  if (name == offsets_topic) return offsets_log_config();
  return parse_topic_config(config, defaults);
}

}  // namespace

Topics::Topics(Disk& disk, std::string directory, Random& random, Options options)
    : disk_(&disk),
      directory_(std::move(directory)),
      random_(&random),
      options_(std::move(options)),
      files_(std::make_shared<log::FileCache>(options_.max_open_files)) {}

Topics::~Topics() {
  *is_alive_ = false;
}

log::OpenOptions Topics::open_options(const TopicId& id) const {
  log::OpenOptions options;
  options.topic_id = id;
  options.visible = options_.visible;
  options.files = files_;
  options.events = options_.events;
  return options;
}

Result<std::vector<Topics::Finding>> Topics::open() {
  std::vector<Finding> findings;
  if (auto read = read_last_stop(findings); !read) return fail(read.error());
  Catalog::Options of_catalog;
  of_catalog.sizes.marked = last_stop_.catalog_bytes;
  if (run_note_->earlier().is_same_boot) {
    of_catalog.sizes.noted = run_note_->earlier().catalog_bytes;
  }
  of_catalog.note = [this](std::uint64_t bytes) { run_note_->catalog_bytes(bytes); };
  const bool is_lost = !disk_->exists(directory_ + "/" + std::string(Catalog::file_name));
  // Whoever adopts topics into a new catalog knows that the old one is gone.
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
  if (auto made = make_cluster_id(); !made) return fail(made.error());
  next_producer_id_ = catalog_->free_producer_id();

  for (const auto& [name, listed] : catalog_->topics()) {
    auto opened = open_topic(name, listed, findings);
    if (!opened) return fail(opened.error());
  }
  settle_strays(findings);
  if (catalog_->journal().dropped_bytes() > 0 || (is_new && !topics_.empty())) {
    if (auto skipped = skip_producer_ids(findings); !skipped) return fail(skipped.error());
  }
  if (auto begun = begin_run(); !begun) return fail(begun.error());
  // Only now: other losses may have been given up, which the last stop's mark does not know of.
  if (!unfounded_losses_.empty()) {
    return fail(Error::configuration("accept_loss: " + unfounded_losses_.front()));
  }
  return findings;
}

Result<void> Topics::open_topic(const std::string& name, const CatalogTopic& listed,
                                std::vector<Finding>& findings) {
  const auto config = log_config_of(name, listed.config, options_.log_defaults);
  if (!config) {
    return fail(Error::storage(Errc::damaged, "the catalog's settings of topic " + name + ": " +
                                                  std::string(config.error().message())));
  }
  Topic topic{name, listed.id, listed.config, {}, name == offsets_topic};
  for (std::int32_t i = 0; i < listed.partitions; ++i) {
    const std::string partition = name + "-" + std::to_string(i);
    const auto missing = missing_files(listed, partition);
    if (missing && !accepts_loss_of(partition)) {
      refuse_partition(topic, i, *missing, findings);
    } else {
      open_partition(topic, i, *config, missing.has_value(), findings);
    }
  }
  place(std::move(topic));
  return {};
}

// What 0.1.0 made may never have reached the disk.
std::optional<Error> Topics::missing_files(const CatalogTopic& listed,
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
  return Error::storage(Errc::damaged,
                        "partition " + directory + ": " +
                            (is_there ? "all of its files are" : "its directory is") +
                            " missing, which were on disk when its topic was created: restore the "
                            "directory from a copy, or delete the topic, or start the node with "
                            "--accept-loss " +
                            name +
                            "@0, which gives up all records of the partition and begins it anew "
                            "behind them");
}

// Whoever accepts a loss has read the line about it: a name that there is not is a slip.
Result<void> Topics::check_accepted_losses() const {
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

bool Topics::accepts_loss_of(std::string_view partition) const {
  return std::ranges::any_of(options_.accept_losses, [&](const AcceptedLoss& loss) {
    return loss.partition == partition && loss.offset == Offset{0};
  });
}

void Topics::refuse_partition(Topic& topic, std::int32_t index, const Error& why,
                              std::vector<Finding>& findings) {
  findings.push_back({true, std::string(why.message()) +
                                std::string(topic.is_internal ? groups_wait : std::string_view())});
  topic.partitions.push_back(std::make_shared<Partition>(topic.name, PartitionId{index}, why));
}

void Topics::open_partition(Topic& topic, std::int32_t index, const log::LogConfig& config,
                            bool is_anew, std::vector<Finding>& findings) {
  const std::string directory = directory_of(topic.name, index);
  const PartitionId id{index};
  log::OpenOptions options = open_options(topic.id);
  options.last = last_life_of({topic.id, id});
  for (const AcceptedLoss& loss : options_.accept_losses) {
    const bool is_this = loss.partition == topic.name + "-" + std::to_string(index);
    if (is_this) options.accepted_losses.push_back(loss.offset);
  }
  if (is_anew) {
    // Behind every offset that a client was told of, so that none is given out twice.
    const Offset told = options.last.told_end.value_or(Offset{0});
    const Offset begins = std::max(told, log::acknowledged_end(options.last, Offset{0}));
    options.last = {};
    options.last.noted_end = begins;
    if (begins == Offset{0}) options.accepted_losses.clear();
    findings.push_back({false, "--accept-loss: partition " + directory + " begins anew at offset " +
                                   std::to_string(begins.value) +
                                   "; all of its records are given up"});
  }
  auto opened = log::PartitionLog::open(*disk_, directory, config, std::move(options));
  if (!opened) {
    return refuse_partition(topic, index, opened.error(), findings);
  }
  tell_of(directory, opened->report, findings);
  std::ranges::copy(opened->report.unfounded, std::back_inserter(unfounded_losses_));
  topic.partitions.push_back(std::make_shared<Partition>(topic.name, id, std::move(opened->log)));
}

void Topics::tell_of(const std::string& directory, const log::RecoveryReport& report,
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
    findings.push_back({false, "partition " + directory +
                                   ": the disk is full; it is read from, and written to again once "
                                   "there is space (" +
                                   std::string(report.unwritten->message()) + ")"});
  }
}

Result<void> Topics::make_cluster_id() {
  if (!catalog_->cluster_id().empty()) return {};
  return catalog_->set_cluster_id(random_id().to_string());
}

// Removes what a delete had renamed when the node stopped, and finds what the catalog does not
// list.
Result<void> Topics::find_strays() {
  auto entries = disk_->list(directory_);
  if (!entries) return fail(entries.error());
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.is_directory) continue;
    if (is_doomed(entry.name)) {
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

bool Topics::is_listed(const PartitionDirectory& directory) const {
  const auto found = catalog_->topics().find(directory.topic);
  return found != catalog_->topics().end() && directory.partition < found->second.partitions;
}

Result<void> Topics::adopt(std::vector<Finding>& findings) {
  for (const std::string& name : options_.adopt) {
    // The option may stay for later starts.
    if (catalog_->topics().contains(name)) continue;
    auto topic = adopted_topic(name, strays_[name], random_id());
    if (!topic) return fail(topic.error().within(directory_));
    for (const auto& [other, listed] : catalog_->topics()) {
      if (listed.id != topic->id) continue;
      return fail(Error::configuration("adopt: topic " + name + ": its directories in " +
                                       directory_ + " are those of topic " + other +
                                       ", renamed: give them their names again"));
    }
    // It says how long the catalog was, which changes before the run begins.
    if (auto removed = remove_clean_mark(); !removed) return removed;
    if (auto added = catalog_->add(name, *topic); !added) return added;
    findings.push_back({false, "topic " + name + " is listed again, with " +
                                   std::to_string(topic->partitions) +
                                   " partitions and the default settings (--adopt)"});
    strays_.erase(name);
  }
  return {};
}

Result<void> Topics::check_that_catalog_is_there() const {
  for (const auto& [name, strays] : strays_) {
    if (strays.empty()) continue;
    return fail(Error::storage(
        Errc::damaged, directory_ + "/" + strays.front().name() +
                           " is a partition, but there was no catalog in " + directory_ +
                           " to say of which topic: restore the catalog from a copy, or list each "
                           "topic again with --adopt TOPIC, or move the partition away"));
  }
  return {};
}

void Topics::settle_strays(std::vector<Finding>& findings) {
  std::vector<Stray> kept, removed;
  for (auto& [name, strays] : strays_) {
    const auto gone = std::ranges::partition(
        strays, [&](const Stray& stray) { return !may_be_removed(stray, *catalog_); });
    removed.insert(removed.end(), gone.begin(), gone.end());
    strays.erase(gone.begin(), gone.end());
    kept.insert(kept.end(), strays.begin(), strays.end());
  }
  std::erase_if(strays_, [](const auto& entry) { return entry.second.empty(); });
  if (const auto line = line_about_strays(directory_, kept, removed)) {
    findings.push_back({false, *line});
  }
  for (const Stray& stray : removed) {
    const std::string directory = directory_of(stray.topic, stray.partition);
    const std::string doomed =
        doomed_directory(stray.topic, stray.partition, stray.id ? *stray.id : random_id());
    if (auto renamed = disk_->rename(directory, doomed); renamed) {
      remove_renamed(doomed);
    } else {
      options_.warn(std::string(renamed.error().message()));
    }
  }
}

// Ids that a dropped line had reserved may be in use: a producer that got one of them again would
// have its first batches taken for repetitions.
Result<void> Topics::skip_producer_ids(std::vector<Finding>& findings) {
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
  if (auto stored = catalog_->set_free_producer_id(next); !stored) return stored;
  next_producer_id_ = next;
  const std::uint64_t dropped = catalog_->journal().dropped_bytes();
  findings.push_back(
      {false, catalog_->journal().path() + ": " +
                  (dropped > 0 ? "dropped " + std::to_string(dropped) +
                                     " bytes of a last change that a crash tore and that no client "
                                     "was told of"
                               : std::string("begun anew")) +
                  "; producer ids go on from " + std::to_string(next)});
  return {};
}

std::optional<Error> Topics::refused_by_strays(std::string_view name) {
  const auto found = strays_.find(name);
  if (found == strays_.end()) return std::nullopt;
  std::erase_if(found->second, [&](const Stray& stray) {
    return !disk_->exists(directory_of(stray.topic, stray.partition));
  });
  if (found->second.empty()) {
    strays_.erase(found);
    return std::nullopt;
  }
  return Error::broker(broker_error::kafka_storage_error, "topic " + std::string(name),
                       "the node's directory " + found->second.front().name() +
                           " holds records of a topic that its catalog does not list: start it "
                           "with --adopt " +
                           std::string(name) +
                           " to list that topic again, or move the directory away");
}

/// A clean stop under way: all partitions, some at a time, since each has files open until it is
/// through.
struct Topics::Closing {
  std::vector<PartitionRef> partitions;
  std::size_t next = 0;
  Result<void> outcome;
  Disk::Synced done;

  void note(Result<void> with) {
    if (outcome && !with) outcome = std::move(with);
  }
};

void Topics::close(Disk::Synced done) {
  auto closing = std::make_shared<Closing>();
  closing->done = std::move(done);
  for (auto& [name, topic] : topics_) {
    for (const PartitionRef& partition : topic.partitions) {
      if (partition->fault() == nullptr) closing->partitions.push_back(partition);
    }
  }
  close_some(closing);
}

void Topics::close_some(const std::shared_ptr<Closing>& closing) {
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
    if (synced) closing->note(write_recovery_points(covered));
    if (closing->next < closing->partitions.size()) return close_some(closing);
    if (closing->outcome) closing->note(write_mark());
    closing->done(closing->outcome);
  });
}

Result<void> Topics::write_recovery_points(
    const std::vector<std::pair<PartitionRef, Offset>>& covered) {
  Result<void> outcome;
  for (const auto& [partition, end] : covered) {
    if (partition->fault() != nullptr) continue;
    partition->log()->synced(end);
    auto written = partition->log()->write_recovery_point();
    if (!written && outcome) outcome = std::move(written);
  }
  return outcome;
}

Topic* Topics::find(std::string_view name) {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

Topic* Topics::find(const TopicId& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

Result<Topic*> Topics::create(const std::string& name, std::int32_t partitions,
                              const TopicConfig& config, bool validate_only) {
  if (auto legal = check_topic_name(name); !legal) return fail(legal.error());
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
  if (partition_count_ + static_cast<std::size_t>(partitions) > limits::max_partitions) {
    return fail(Error::broker(broker_error::invalid_partitions, "topic " + name,
                              "all topics together may have at most " +
                                  std::to_string(limits::max_partitions) + " partitions"));
  }
  if (auto refused = refused_by_strays(name)) return fail(*std::move(refused));
  auto parsed = parse_topic_config(config, options_.log_defaults);
  if (!parsed) return fail(parsed.error());
  if (validate_only) return nullptr;
  return make(name, partitions, config, *parsed);
}

Result<Topic*> Topics::offsets() {
  if (Topic* topic = find(offsets_topic)) return topic;
  if (auto refused = refused_by_strays(offsets_topic)) return fail(*std::move(refused));
  return make(std::string(offsets_topic), 1, {}, offsets_log_config());
}

Result<Topic*> Topics::make(const std::string& name, std::int32_t partitions,
                            const TopicConfig& config, const log::LogConfig& log_config) {
  Topic topic{name, random_id(), config, {}, name == offsets_topic};
  Result<void> outcome;
  for (std::int32_t i = 0; outcome && i < partitions; ++i) {
    outcome = make_partition(topic, i, log_config);
  }
  if (outcome) outcome = make_files_durable(topic, partitions);
  if (outcome) outcome = catalog_->add(name, {topic.id, partitions, config, true});
  if (outcome) return &place(std::move(topic));
  const std::size_t made = topic.partitions.size();
  topic.partitions.clear();
  for (std::size_t i = 0; i < made; ++i) {
    // What cannot be removed now is replaced when the name is used again.
    (void)disk_->remove_all(directory_of(name, static_cast<std::int32_t>(i)));
  }
  return fail(outcome.error());
}

// Before the catalog says that they are: their names, and the name of each one's directory. Those
// of the partitions first, whose sync usually covers the other.
Result<void> Topics::make_files_durable(const Topic& topic, std::int32_t partitions) {
  std::vector<std::string> directories;
  directories.reserve(static_cast<std::size_t>(partitions) + 1);
  for (std::int32_t i = 0; i < partitions; ++i) {
    directories.push_back(directory_of(topic.name, i));
  }
  directories.push_back(directory_);
  return disk_->sync_directories(directories);
}

// What is in the way of a new partition goes, unless something would be lost with it.
Result<void> Topics::make_way(const Topic& topic, std::int32_t index) {
  const std::string directory = directory_of(topic.name, index);
  if (!disk_->exists(directory)) return {};
  auto entries = disk_->list(directory);
  if (!entries) return fail(entries.error());
  if (entries->empty()) return {};
  auto stray = look_at_directory(*disk_, directory_, {topic.name, index});
  if (!stray) return fail(stray.error());
  if (*stray && may_be_removed(**stray, *catalog_)) return disk_->remove_all(directory);
  if (*stray) strays_[topic.name].push_back(**stray);
  return fail(
      Error::broker(broker_error::kafka_storage_error, "topic " + topic.name,
                    "the node's directory " + topic.name + "-" + std::to_string(index) +
                        " is there and holds files that are not the topic's: move it away"));
}

Result<void> Topics::make_partition(Topic& topic, std::int32_t index,
                                    const log::LogConfig& config) {
  if (auto made = make_way(topic, index); !made) return made;
  const std::string directory = directory_of(topic.name, index);
  auto opened = log::PartitionLog::open(*disk_, directory, config, open_options(topic.id));
  if (!opened) return fail(opened.error());
  if (opened->report.unwritten) return fail(*opened->report.unwritten);
  topic.partitions.push_back(
      std::make_shared<Partition>(topic.name, PartitionId{index}, std::move(opened->log)));
  return {};
}

Topic& Topics::place(Topic topic) {
  partition_count_ += topic.partitions.size();
  const std::string name = topic.name;
  Topic& placed = topics_.emplace(name, std::move(topic)).first->second;
  by_id_[placed.id] = &placed;
  undotted_.emplace(undotted(name), name);
  for (const PartitionRef& partition : placed.partitions) {
    partition->noted = {placed.id, partition->index()};
    log::PartitionLog* const log = partition->log();
    if (log == nullptr) continue;
    owners_[log] = partition;
    if (log->unchecked_bytes() > 0) checks_.add(*log);
  }
  return placed;
}

Result<void> Topics::remove(const std::string& name) {
  const auto found = topics_.find(name);
  if (found == topics_.end()) {
    return fail(Error::broker(broker_error::unknown_topic_or_partition, "topic " + name));
  }
  if (auto stored = catalog_->remove(name); !stored) return stored;
  auto node = topics_.extract(found);
  by_id_.erase(node.mapped().id);
  const auto [first, last] = undotted_.equal_range(undotted(node.key()));
  undotted_.erase(
      std::find_if(first, last, [&](const auto& entry) { return entry.second == node.key(); }));
  partition_count_ -= node.mapped().partitions.size();
  for (const PartitionRef& partition : node.mapped().partitions) {
    remove_files(partition, node.mapped().id);
  }
  return {};
}

// Renamed first, so that a topic of the same name may be made at once.
void Topics::remove_files(const PartitionRef& partition, const TopicId& id) {
  const bool is_another = partition->log() == nullptr && belongs_to_another(partition, id);
  if (log::PartitionLog* const log = partition->log()) {
    checks_.remove(*log);
    owners_.erase(log);
  }
  partition->close();
  run_note_->forget(partition->noted);
  const std::string directory = directory_of(partition->topic(), partition->index().value);
  if (is_another) {
    return options_.warn("the directory " + directory +
                         " of a deleted topic holds records of another topic and is kept");
  }
  const std::string doomed = doomed_directory(partition->topic(), partition->index().value, id);
  if (auto renamed = disk_->rename(directory, doomed); !renamed) {
    if (renamed.error().is(Errc::not_found)) return;
    options_.warn("the files of a deleted topic stay in " + directory +
                  " and may be removed: " + std::string(renamed.error().message()));
    return;
  }
  remove_renamed(doomed);
}

// Directories may have been exchanged: those of a topic that refused may hold what another one
// lost.
bool Topics::belongs_to_another(const PartitionRef& partition, const TopicId& id) {
  auto found =
      look_at_directory(*disk_, directory_, {partition->topic(), partition->index().value});
  if (!found || !*found || !(*found)->id || (*found)->id == id) return false;
  if (may_be_removed(**found, *catalog_)) return false;
  strays_[partition->topic()].push_back(**found);
  return true;
}

// A name of its own, and no longer than file systems allow however long the topic's is.
std::string Topics::doomed_directory(std::string_view topic, std::int32_t index,
                                     const TopicId& id) const {
  return directory_of(topic.substr(0, max_doomed_name_bytes), index) + "." + id.to_string() +
         std::string(deleted_suffix);
}

void Topics::remove_renamed(const std::string& directory) {
  auto outcome = std::make_shared<Result<void>>();
  disk_->run([disk = disk_, directory, outcome] { *outcome = disk->remove_all(directory); },
             [this, directory, outcome, alive = is_alive_] {
               if (!*alive || *outcome) return;
               options_.warn("the files of a deleted topic stay in " + directory +
                             " until the next start: " + std::string(outcome->error().message()));
             });
}

PartitionRef Topics::owner_of(const log::PartitionLog& log) const {
  const auto found = owners_.find(&log);
  return found == owners_.end() ? nullptr : found->second;
}

bool Topics::check_more(Now now) {
  checks_.tick(now);
  return !checks_.is_done();
}

Result<ProducerId> Topics::next_producer_id() {
  if (next_producer_id_ == catalog_->free_producer_id()) {
    auto reserved = catalog_->set_free_producer_id(next_producer_id_ + producer_id_block);
    if (!reserved) return fail(reserved.error());
  }
  return ProducerId{next_producer_id_++};
}

TopicId Topics::random_id() {
  TopicId id;
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint64_t bits = random_->next();
    std::memcpy(id.bytes.data() + 8 * half, &bits, sizeof bits);
  }
  return id;
}

std::string Topics::directory_of(std::string_view topic, std::int32_t index) const {
  return directory_ + "/" + std::string(topic) + "-" + std::to_string(index);
}

}  // namespace dohle::node
