#include "node/storage/topic_files.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/broker_errors.hpp"
#include "node/limits.hpp"

namespace dohle::node {

namespace {

constexpr std::string_view deleted_suffix = "-delete";
constexpr std::size_t max_doomed_name_bytes = 200;

// The size of a job: some milliseconds on a disk thread, few on the owner's.
constexpr std::size_t partitions_per_job = 64;
constexpr std::size_t removals_per_job = 16;

}  // namespace

Error in_the_way(std::string_view topic, std::int32_t index) {
  return Error::broker(broker_error::kafka_storage_error, "topic " + std::string(topic),
                       "the node's directory " + partition_name(topic, index) +
                           " is there and holds files that are not the topic's: move it away");
}

/// Partitions of one or several topics that one job creates. Used by the disk thread.
struct TopicFiles::MakeJob {
  struct Part {
    MakingRef making;  // not used by the job
    std::string topic;
    std::int32_t first = 0;
    std::int32_t count = 0;
    log::LogConfig config;
    log::OpenOptions options;
    bool clears_first = false;

    std::vector<std::unique_ptr<log::PartitionLog>> logs;
    std::optional<Error> fault;
    /// The directory in the way of the first partition that was not created.
    std::optional<Stray> stray;
  };

  Disk* disk;
  std::string directory;
  std::vector<Part> parts;

  void run() {
    for (Part& part : parts) make(part);
  }

 private:
  void make(Part& part) const {
    for (std::int32_t i = part.first; i < part.first + part.count; ++i) {
      auto made = make_one(part, i, part.clears_first && i == part.first);
      if (!made) {
        part.fault = made.error();
        return;
      }
      if (part.stray) return;
    }
  }

  Result<void> make_one(Part& part, std::int32_t index, bool clears) const {
    const std::string path = directory + "/" + partition_name(part.topic, index);
    if (clears) {
      if (auto removed = disk->remove_all(path); !removed) return removed;
    }
    if (auto free = make_way(part, index, path); !free || part.stray) return free;
    log::OpenOptions options = part.options;
    const auto files = std::exchange(options.files, nullptr);
    auto opened = log::PartitionLog::open(*disk, path, part.config, std::move(options));
    if (!opened) return fail(opened.error());
    if (opened->report.unwritten) return fail(*opened->report.unwritten);
    opened->log->use_files(files);
    part.logs.push_back(std::move(opened->log));
    return {};
  }

  Result<void> make_way(Part& part, std::int32_t index, const std::string& path) const {
    if (!disk->exists(path)) return {};
    auto entries = disk->list(path);
    if (!entries) return fail(entries.error());
    if (entries->empty()) return {};
    auto stray = look_at_directory(*disk, directory, {part.topic, index});
    if (!stray) return fail(stray.error());
    if (!*stray) return fail(in_the_way(part.topic, index));
    part.stray = **std::move(stray);
    return {};
  }
};

/// Directories that one job renames. Used by the disk thread.
struct TopicFiles::RenameJob {
  struct Part {
    PuttingAwayRef putting_away;  // not used by the job
    std::string topic;
    std::int32_t index = 0;
    TopicId id;
    std::string from;
    std::string to;
    /// Set if its log refused to open: another topic's directory may have taken the place of its
    /// own.
    bool looks_first = false;

    Result<void> outcome;
    std::optional<Stray> stray;
  };

  Disk* disk;
  std::string directory;
  std::vector<Part> parts;

  void run() {
    for (Part& part : parts) {
      if (part.looks_first) part.stray = another_topics(part);
      if (!part.stray) part.outcome = disk->rename(part.from, part.to);
    }
  }

 private:
  [[nodiscard]] std::optional<Stray> another_topics(const Part& part) const {
    auto found = look_at_directory(*disk, directory, {part.topic, part.index});
    if (!found || !*found || !(*found)->id || (*found)->id == part.id) return std::nullopt;
    return *std::move(found);
  }
};

TopicFiles::TopicFiles(Disk& disk, std::string directory, log::OpenOptions log_options, Owner owner)
    : disk_(&disk),
      directory_(std::move(directory)),
      log_options_(std::move(log_options)),
      owner_(std::move(owner)) {}

void TopicFiles::make(NewPartitions wanted, Made made) {
  to_make_.push_back(
      std::make_shared<Making>(Making{std::move(wanted), std::move(made), {}, false, {}}));
  start_next();
}

void TopicFiles::put_away(const std::string& name, const TopicId& id, Partitions partitions,
                          Task done) {
  to_put_away_.push_back(
      std::make_shared<PuttingAway>(PuttingAway{name, id, std::move(partitions), std::move(done)}));
  start_next();
}

void TopicFiles::remove_later(std::string directory) {
  to_remove_.push_back(std::move(directory));
  start_next();
}

void TopicFiles::stop(Task idle) {
  is_stopped_ = true;
  to_make_.clear();
  to_sync_.clear();
  to_put_away_.clear();
  to_remove_.clear();
  when_idle_ = std::move(idle);
  look_if_idle();
}

void TopicFiles::run(Task job, Task done) {
  ++running_;
  disk_->run(std::move(job), [this, alive = is_alive_, done = std::move(done)]() mutable {
    if (!*alive) return;
    DOHLE_ASSERT(running_ > 0, "a job ends that was not started");
    --running_;
    if (is_stopped_) return look_if_idle();
    done();
    start_next();
  });
}

void TopicFiles::look_if_idle() {
  if (running_ > 0 || when_idle_ == nullptr) return;
  Task idle = std::exchange(when_idle_, nullptr);
  idle();
}

void TopicFiles::start_next() {
  if (is_stopped_) return;
  if (!is_making_ && !to_make_.empty()) make_some();
  if (!is_syncing_ && !to_sync_.empty()) sync_made();
  const bool has_room = to_remove_.size() < limits::max_doomed_directories;
  if (!is_putting_away_ && has_room && !to_put_away_.empty()) put_some_away();
  if (!is_removing_ && !to_remove_.empty()) remove_some();
}

// --- creation

void TopicFiles::make_some() {
  auto job = std::make_shared<MakeJob>(MakeJob{disk_, directory_, {}});
  for (std::size_t room = partitions_per_job; room > 0 && !to_make_.empty();) {
    MakingRef making = std::move(to_make_.front());
    to_make_.pop_front();
    MakeJob::Part part;
    part.topic = making->wanted.topic;
    part.first = making->next();
    part.count = std::min(static_cast<std::int32_t>(room), making->wanted.end - part.first);
    DOHLE_ASSERT(part.count > 0, "a topic waits to be made that has all its partitions");
    part.config = making->wanted.config;
    part.options = log_options_;
    part.options.topic_id = making->wanted.id;
    part.clears_first = std::exchange(making->clears_next, false);
    part.making = std::move(making);
    room -= static_cast<std::size_t>(part.count);
    job->parts.push_back(std::move(part));
  }
  is_making_ = true;
  run([job] { job->run(); }, [this, job] { end_making_some(*job); });
}

void TopicFiles::end_making_some(MakeJob& job) {
  DOHLE_ASSERT(is_making_, "partitions are made that no job makes");
  is_making_ = false;
  for (MakeJob::Part& part : job.parts) {
    Making& making = *part.making;
    for (auto& log : part.logs) {
      const PartitionId index{making.next()};
      auto made = std::make_shared<Partition>(making.wanted.topic, index, std::move(log));
      owner_.on_made(made, making.wanted.id);
      making.partitions.push_back(std::move(made));
    }
    making.fault = part.fault;
    if (part.stray) {
      making.clears_next = owner_.may_be_removed(*part.stray);
      if (!making.clears_next) {
        owner_.on_stray(*part.stray);
        making.fault = in_the_way(making.wanted.topic, part.stray->partition);
      }
    }
    settle(part.making);
  }
}

void TopicFiles::settle(const MakingRef& making) {
  if (making->fault) {
    discard(making->wanted.topic, std::exchange(making->partitions, {}),
            [making] { making->made(fail(*making->fault)); });
  } else if (making->next() == making->wanted.end) {
    to_sync_.push_back(making);
  } else {
    to_make_.push_back(making);
  }
}

// Runs before the catalog lists the topics. The directories of the partitions are synced first,
// since that usually covers the data directory too.
void TopicFiles::sync_made() {
  struct Job {
    std::vector<MakingRef> makings;
    std::vector<NewPartitions> made;
    Result<void> outcome;
  };
  auto job = std::make_shared<Job>();
  job->makings = std::exchange(to_sync_, {});
  for (const MakingRef& making : job->makings) job->made.push_back(making->wanted);
  is_syncing_ = true;
  run(
      [job, disk = disk_, directory = directory_] {
        std::vector<std::string> paths;
        for (const NewPartitions& each : job->made) {
          for (std::int32_t i = each.first; i < each.end; ++i) {
            paths.push_back(directory + "/" + partition_name(each.topic, i));
          }
        }
        paths.push_back(directory);
        job->outcome = disk->sync_directories(paths);
      },
      [this, job] {
        is_syncing_ = false;
        for (const MakingRef& making : job->makings) {
          if (job->outcome) {
            making->made(std::exchange(making->partitions, {}));
          } else {
            making->fault = job->outcome.error();
            settle(making);
          }
        }
      });
}

void TopicFiles::discard(const std::string& name, Partitions partitions, Task done) {
  for (const PartitionRef& partition : partitions) owner_.on_closing(partition);
  auto doomed = std::make_shared<Partitions>(std::move(partitions));
  run(
      [doomed, disk = disk_, path = directory_ + "/" + name + "-"] {
        if (doomed->empty()) return;
        const std::int32_t first = doomed->front()->index().value;
        const std::int32_t last = doomed->back()->index().value;
        doomed->clear();
        for (std::int32_t i = first; i <= last; ++i) {
          // A directory that cannot be removed now is replaced when its name is used again.
          (void)disk->remove_all(path + std::to_string(i));
        }
      },
      std::move(done));
}

// --- deletion

void TopicFiles::put_some_away() {
  auto job = std::make_shared<RenameJob>(RenameJob{disk_, directory_, {}});
  while (job->parts.size() < partitions_per_job && !to_put_away_.empty()) {
    const PuttingAwayRef& first = to_put_away_.front();
    DOHLE_ASSERT(first->next < first->partitions.size(), "a topic waits that was put away");
    const PartitionRef& partition = first->partitions[first->next];
    RenameJob::Part part;
    part.putting_away = first;
    part.topic = first->name;
    part.index = partition->index().value;
    part.id = first->id;
    part.from = directory_of(part.topic, part.index);
    part.to = doomed_directory(part.topic, part.index, part.id);
    part.looks_first = partition->log() == nullptr;
    owner_.on_closing(partition);
    partition->close();
    owner_.on_closed(partition);
    job->parts.push_back(std::move(part));
    if (++first->next == first->partitions.size()) to_put_away_.pop_front();
  }
  // Topics take turns.
  if (!to_put_away_.empty() && to_put_away_.front()->next > 0) {
    to_put_away_.push_back(std::exchange(to_put_away_.front(), nullptr));
    to_put_away_.pop_front();
  }
  is_putting_away_ = true;
  run([job] { job->run(); }, [this, job] { end_putting_away(*job); });
}

void TopicFiles::end_putting_away(RenameJob& job) {
  for (RenameJob::Part& part : job.parts) {
    if (part.stray && !owner_.may_be_removed(*part.stray)) {
      owner_.on_stray(*part.stray);
      owner_.warn("the directory " + part.from +
                  " of a deleted topic holds records of another topic and is kept");
      continue;
    }
    // Renamed on this thread, since this is rare: the partition refused to open.
    if (part.stray) part.outcome = disk_->rename(part.from, part.to);
    if (part.outcome) {
      remove_later(part.to);
    } else if (!part.outcome.error().is(Errc::not_found)) {
      owner_.warn("the files of a deleted topic stay in " + part.from +
                  " and may be removed: " + std::string(part.outcome.error().message()));
    }
  }
  is_putting_away_ = false;
  std::vector<PuttingAwayRef> ended;
  for (const RenameJob::Part& part : job.parts) {
    const PuttingAwayRef& of = part.putting_away;
    const bool is_over = of->next == of->partitions.size();
    if (is_over && (ended.empty() || ended.back() != of)) ended.push_back(of);
  }
  for (const PuttingAwayRef& each : ended) each->done();
}

void TopicFiles::remove_some() {
  struct Job {
    std::vector<std::string> directories;
    std::vector<std::string> lines;
  };
  auto job = std::make_shared<Job>();
  while (job->directories.size() < removals_per_job && !to_remove_.empty()) {
    job->directories.push_back(std::move(to_remove_.front()));
    to_remove_.pop_front();
  }
  is_removing_ = true;
  // `stop` does not wait for this job, which changes no directory with a topic's name.
  disk_->run(
      [job, disk = disk_] {
        for (const std::string& directory : job->directories) {
          const auto removed = disk->remove_all(directory);
          if (removed) continue;
          job->lines.push_back("the files of a deleted topic stay in " + directory +
                               " until the next start: " + std::string(removed.error().message()));
        }
      },
      [this, job, alive = is_alive_] {
        if (!*alive) return;
        is_removing_ = false;
        for (const std::string& line : job->lines) owner_.warn(line);
        start_next();
      });
}

// --- names

std::string TopicFiles::directory_of(std::string_view topic, std::int32_t index) const {
  return directory_ + "/" + partition_name(topic, index);
}

// A unique name. The topic's name is cut to fit the limit of file systems.
std::string TopicFiles::doomed_directory(std::string_view topic, std::int32_t index,
                                         const TopicId& id) const {
  return directory_of(topic.substr(0, max_doomed_name_bytes), index) + "." + id.to_string() +
         std::string(deleted_suffix);
}

/// The form is TOPIC-N.ID-delete. Other directories that end in -delete are not the node's.
bool TopicFiles::is_doomed(std::string_view name) {
  if (!name.ends_with(deleted_suffix)) return false;
  name.remove_suffix(deleted_suffix.size());
  const auto dot = name.rfind('.');
  return dot != name.npos && parse_partition_directory(name.substr(0, dot)) &&
         TopicId::parse(name.substr(dot + 1));
}

}  // namespace dohle::node
