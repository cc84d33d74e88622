#include "node/storage/place_watch.hpp"

#include <utility>

#include "base/assert.hpp"
#include "node/limits.hpp"
#include "node/turn.hpp"

namespace dohle::node {

PlaceWatch::~PlaceWatch() {
  *is_alive_ = false;
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
    begin();
  });
}

void PlaceWatch::begin() {
  release(std::make_shared<std::vector<Place>>(std::exchange(places_, {})), 0);
}

// Before the comparison: an append that comes after it puts the partition on the next list.
void PlaceWatch::release(Places places, std::size_t released) {
  while (released < places->size()) {
    (*places)[released++].partition->is_watched = false;
    if (released < places->size() && is_turn_over(loop_)) {
      return loop_.post([this, places = std::move(places), released, alive = is_alive_] {
        if (*alive) release(places, released);
      });
    }
  }
  compare(places);
}

void PlaceWatch::compare(const Places& places) {
  disk_.run(
      [disk = &disk_, places] {
        for (Place& place : *places) {
          const auto there = disk->identity_of(place.path);
          // A path that cannot be read now proves nothing.
          place.is_lost = there && *there != place.identity;
        }
      },
      [this, places, alive = is_alive_] {
        if (*alive) settle_some(places);
      });
}

void PlaceWatch::settle_some(Places places) {
  while (!places->empty()) {
    if (places->back().is_lost) settle(places->back());
    places->pop_back();
    if (!places->empty() && is_turn_over(loop_)) {
      return loop_.post([this, places = std::move(places), alive = is_alive_] {
        if (*alive) settle_some(places);
      });
    }
  }
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
