#include "sim/disk.hpp"

#include <algorithm>
#include <utility>

#include "sim/machine.hpp"
#include "sim/process_disk.hpp"
#include "sim/tree.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

SimDisk::SimDisk(Machine& machine, const DiskOptions& options, SeededRandom random)
    : machine_(machine),
      options_(options),
      random_(std::move(random)),
      used_(std::make_shared<std::uint64_t>(0)),
      tree_(std::make_unique<SimTree>(*this)) {}

SimDisk::~SimDisk() = default;

std::unique_ptr<ProcessDisk> SimDisk::for_process(ProcessLoop& loop) {
  return std::make_unique<ProcessDisk>(
      *this, loop, machine_.world().stream(machine_.name() + "/" + loop.name() + "/jobs"));
}

void SimDisk::fail_syncs(std::string part, unsigned count) {
  failing_syncs_ = {std::move(part), count};
}

void SimDisk::fail_writes(std::string part, unsigned count) {
  failing_writes_ = {std::move(part), count};
}

void SimDisk::after_change(unsigned count, Change counted, Task then) {
  changes_left_ = count;
  counted_ = counted;
  after_change_ = std::move(then);
}

void SimDisk::changed(Change change) {
  if (changes_left_ == 0 || (counted_ == Change::of_names && change != Change::of_names)) return;
  if (--changes_left_ == 0) std::exchange(after_change_, nullptr)();
}

void SimDisk::set_slow(std::uint64_t factor) {
  slow_factor_ = std::max<std::uint64_t>(factor, 1);
  slow_has_bitten_ = false;
}

bool SimDisk::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  const auto node = tree_->find(path);
  return node != nullptr && static_cast<SimContents&>(*node).flip_bit(offset, bit);
}

std::optional<std::string> SimDisk::contents(const std::string& path) const {
  const auto node = tree_->find(path);
  if (node == nullptr || node->is_directory) return std::nullopt;
  return std::string(as_text(static_cast<SimContents&>(*node).cached()));
}

void SimDisk::crash() {
  ++boots_;
  tree_->crash(random_, options_.entries_in_order);
}

void SimDisk::bitten(Fault fault, std::string_view how) {
  machine_.world().bitten(fault, machine_.name(), how);
}

bool SimDisk::has_room(std::uint64_t more) {
  if (!is_full_ && *used_ + more <= options_.max_bytes) return true;
  bitten(Fault::disk_full, "no space left");
  return false;
}

bool SimDisk::Failing::strikes(const std::string& path) {
  if (count == 0 || path.find(part) == std::string::npos) return false;
  --count;
  return true;
}

bool SimDisk::sync_fails(const std::string& path) {
  if (!failing_syncs_.strikes(path)) return false;
  bitten(Fault::sync_error, path);
  return true;
}

bool SimDisk::write_fails(const std::string& path) {
  if (!failing_writes_.strikes(path)) return false;
  bitten(Fault::write_error, path);
  return true;
}

Duration SimDisk::sync_time() {
  const auto spread = static_cast<std::uint64_t>((options_.max_sync - options_.min_sync).count());
  Duration time = options_.min_sync + Duration(random_.below(spread + 1));
  if (options_.slow_one_in != 0 && random_.below(options_.slow_one_in) == 0) {
    time *= static_cast<Duration::rep>(1 + random_.below(20));
  }
  if (slow_factor_ > 1) {
    time *= static_cast<Duration::rep>(slow_factor_);
    if (!std::exchange(slow_has_bitten_, true)) bitten(Fault::slow_disk, "syncs are slow");
  }
  return std::min(time, options_.sync_longest);
}

}  // namespace dohle::sim
