#include "log/group_opening.hpp"

#include <algorithm>
#include <utility>

namespace dohle::log {

void GroupOpening::open(std::string directory, LogConfig config, OpenOptions options, Done done) {
  auto opened = PartitionLog::begin_open(*disk_, std::move(directory), config, std::move(options));
  if (!opened || opened->log->unsynced().empty()) return done(std::move(opened));
  files_ += opened->log->unsynced().size();
  waiting_.push_back({*std::move(opened), std::move(done)});
  if (files_ >= max_files_) finish();
}

void GroupOpening::finish() {
  files_ = 0;
  while (!waiting_.empty()) {
    sync_all();
    std::vector<Waiting> unfinished;
    for (Waiting& each : std::exchange(waiting_, {})) {
      auto& [log, report] = each.opened;
      if (each.outcome) each.outcome = log->recover_on(report);
      if (!each.outcome) {
        log.reset();
        each.done(fail(each.outcome.error()));
      } else if (log->unsynced().empty()) {
        each.done(std::move(each.opened));
      } else {
        unfinished.push_back(std::move(each));
      }
    }
    waiting_ = std::move(unfinished);
  }
}

void GroupOpening::sync_all() {
  std::vector<std::shared_ptr<File>> files;
  for (const Waiting& each : waiting_)
    std::ranges::copy(each.opened.log->unsynced(), std::back_inserter(files));
  if (disk_->sync_all_now(files)) return;
  for (Waiting& each : waiting_) sync_each(each);
}

void GroupOpening::sync_each(Waiting& waiting) {
  const PartitionLog& log = *waiting.opened.log;
  for (const auto& file : log.unsynced()) {
    auto synced = disk_->sync_now(*file);
    if (synced) continue;
    waiting.outcome = fail(synced.error().within("partition " + log.directory()));
    return;
  }
}

}  // namespace dohle::log
