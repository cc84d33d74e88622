#include "node/storage/place_watch.hpp"

#include <utility>

#include "base/assert.hpp"
#include "node/limits.hpp"

namespace dohle::node {

PlaceWatch::~PlaceWatch() {
  loop_.cancel(timer_);
}

void PlaceWatch::watch(const PartitionRef& partition) {
  DOHLE_ASSERT(!partition->is_watched, "a partition is watched twice");
  auto file = partition->log()->active_file();
  if (!file) return;  // the next append returns the error
  partition->is_watched = true;
  places_.push_back({partition, (*file)->path(), (*file)->identity()});
  if (timer_ != 0) return;
  timer_ = loop_.arm(loop_.tick().mono + limits::place_check_interval, [this] {
    timer_ = 0;
    compare();
  });
}

void PlaceWatch::compare() {
  auto places = std::make_shared<std::vector<Place>>(std::exchange(places_, {}));
  for (const Place& place : *places) place.partition->is_watched = false;
  disk_.run(
      [disk = &disk_, places] {
        for (Place& place : *places) {
          const auto there = disk->identity_of(place.path);
          // A path that cannot be read now proves nothing.
          place.is_lost = there && *there != place.identity;
        }
      },
      [places] {
        for (const Place& place : *places) {
          if (place.is_lost) settle(place);
        }
      });
}

// Meanwhile retention may have removed the file, or the topic may have been deleted.
void PlaceWatch::settle(const Place& place) {
  if (place.partition->fault() != nullptr) return;
  log::PartitionLog& log = *place.partition->log();
  const auto active = log.active_file();
  if (active && (*active)->path() != place.path) return;
  log.sync_failed(Error::storage(
      Errc::io_error, place.path +
                          " was removed or replaced while the node wrote to it: records that were "
                          "acknowledged in the last second may be lost; put the directory back, or "
                          "restore it from a copy, and restart the node"));
}

}  // namespace dohle::node
