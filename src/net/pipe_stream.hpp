#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/byte_stream.hpp"
#include "base/connection.hpp"
#include "base/executor.hpp"

namespace dohle::net {

class PipeStream;

/// What the two ends of a pipe share: for each end, what the other one sent and it has not fetched.
/// Thread safety: any thread. An executor is only used under the lock and while its end is open, so
/// that it may go once the end is closed.
class Pipe {
 public:
  enum class Side : std::uint8_t { dialing, accepting };

  /// From now on `end` is told, on `loop`.
  void attach(Side side, Executor& loop, std::weak_ptr<PipeStream> end);
  /// No use of the end's loop follows; what waits for it is dropped. The other side is told.
  void detach(Side side);

  /// Gives slices to the other side; `unread` counts them until they are taken.
  void deliver(Side from, std::vector<Slice>& slices, std::size_t bytes);
  /// Whether the end is open; one that was never attached is not.
  [[nodiscard]] bool is_attached(Side side);
  /// The accepting side took the connection.
  void tell_opened();
  /// Nobody takes the connection.
  void refuse();

  struct News {
    std::vector<Slice> slices;
    bool is_open = false;
    bool is_other_closed = false;
    bool is_room = false;
  };
  [[nodiscard]] News fetch(Side side);

  /// Bytes that `from` delivered and the other side has not taken.
  [[nodiscard]] std::size_t unread_from(Side from) const { return way(from).unread.load(); }
  /// The receiver took bytes; a sender that waits for that is told.
  void took(Side receiver, std::size_t bytes);
  /// The sender wants to be told when no more than `max_unread` bytes are unread. False: there is
  /// room already.
  [[nodiscard]] bool wait_for_room(Side sender, std::size_t max_unread);

 private:
  struct Way {  // from one side to the other
    std::atomic<std::size_t> unread{0};
    static constexpr std::size_t nobody_waits = SIZE_MAX;
    std::atomic<std::size_t> max_wanted_unread{nobody_waits};
  };
  struct Place {  // of one side
    Executor* loop = nullptr;
    std::weak_ptr<PipeStream> end;
    bool is_told = false;  // a fetch is under way
    News news;
  };

  static Side other(Side side) { return side == Side::dialing ? Side::accepting : Side::dialing; }
  [[nodiscard]] Place& place(Side side) { return places_[static_cast<std::size_t>(side)]; }
  [[nodiscard]] Way& way(Side from) { return ways_[static_cast<std::size_t>(from)]; }
  [[nodiscard]] const Way& way(Side from) const { return ways_[static_cast<std::size_t>(from)]; }
  void tell(Place& place);  // under the lock

  std::mutex mutex_;
  std::array<Place, 2> places_;  // guarded by mutex_
  std::array<Way, 2> ways_;
};

/// One end of a pipe, on its own loop: gives the Slices that were written to the other end as they
/// are. `window_bytes` may be unread at the other side; then it waits for room. Loop thread only.
class PipeStream final : public ByteStream {
 public:
  /// `events` owns the stream.
  PipeStream(Executor& loop, StreamEvents& events, std::shared_ptr<Pipe> pipe, Pipe::Side side,
             std::size_t window_bytes);
  ~PipeStream() override { close(); }
  PipeStream(const PipeStream&) = delete;
  PipeStream& operator=(const PipeStream&) = delete;

  /// `self` keeps the stream's owner alive while something is told to it.
  void attach(std::weak_ptr<PipeStream> self);
  /// For a dialing end: it fails unless it opens in time.
  void begin_dial(std::chrono::milliseconds timeout);
  void opened();
  void dial_failed(std::string_view why);
  /// Something waits in the pipe.
  void fetch();

  Result<Moved> read(const ReadRoom& into) override;
  [[nodiscard]] bool hands_over_slices() const override { return true; }
  Result<Moved> read_slices(SliceQueue& into, std::size_t max_bytes) override;
  Result<Moved> write(WriteQueue& from) override;
  [[nodiscard]] std::size_t unread_bytes() const override { return pipe_->unread_from(side_); }
  void end_writes() override {}  // closing does not take what was written from the other side
  void close() override;

 private:
  [[nodiscard]] Moved took(std::size_t bytes);
  [[nodiscard]] std::size_t room() const;

  Executor& loop_;
  StreamEvents& events_;
  const std::shared_ptr<Pipe> pipe_;
  const Pipe::Side side_;
  const std::size_t window_bytes_;
  std::weak_ptr<PipeStream> self_;
  SliceQueue arrived_;
  std::vector<Slice> slices_;  // keeps its capacity
  bool is_open_ = false;
  bool is_closed_ = false;
  bool is_other_closed_ = false;
  TimerId dial_timer_ = 0;
};

}  // namespace dohle::net
