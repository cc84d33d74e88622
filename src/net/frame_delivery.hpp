#pragma once

#include <string>

#include "base/connection.hpp"
#include "net/frame_prefix.hpp"

namespace dohle::net {

enum class Delivery : std::uint8_t {
  wants_more,  ///< all that arrived was handed out
  stopped,     ///< paused, held or closed meanwhile
};

/// Asks the events whether a frame whose length arrived is welcome.
template <class Reader>
Admission admission_of(const Reader& reader, ConnectionEvents& events) {
  const Admission length = events.on_frame_length(reader.length());
  if (Reader::is_read_in_pieces || length != Admission::accept) return length;
  return events.on_frame_room(reader.length());
}

/// Hands frames to a connection's events as far as `reader` has them. `Stream` says is_stopped()
/// and offers events(), pause_reading() and failed(Error); any of the calls may close it, so the
/// caller keeps it alive.
template <class Reader, class Stream>
Delivery hand_out_frames(Reader& reader, Stream& stream) {
  while (!stream.is_stopped()) {
    switch (reader.state()) {
      case FrameState::need_bytes:
        return Delivery::wants_more;
      case FrameState::broken:
        stream.failed(reader.error());
        break;
      case FrameState::frame:
        stream.events().on_frame(reader.take_frame());
        break;
      case FrameState::length:
        switch (admission_of(reader, stream.events())) {
          case Admission::accept:
            reader.admit();
            break;
          case Admission::hold:
            stream.pause_reading();
            break;
          case Admission::refuse:
            stream.failed(Error::client(
                Errc::too_large,
                "a frame of " + std::to_string(reader.length()) + " bytes was refused"));
            break;
        }
        break;
    }
  }
  return Delivery::stopped;
}

}  // namespace dohle::net
