#include "net/pipe_stream.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace dohle::net {

void Pipe::attach(Side side, Executor& loop, std::weak_ptr<PipeStream> end) {
  const std::lock_guard guard(mutex_);
  DOHLE_ASSERT(place(side).loop == nullptr, "an end of a pipe is attached twice");
  place(side).loop = &loop;
  place(side).end = std::move(end);
  if (place(side).news.is_other_closed) tell(place(side));
}

void Pipe::detach(Side side) {
  News dropped;
  const std::lock_guard guard(mutex_);
  if (place(side).loop == nullptr) return;
  place(side).loop = nullptr;
  dropped = std::exchange(place(side).news, {});
  place(other(side)).news.is_other_closed = true;
  tell(place(other(side)));
}

bool Pipe::is_attached(Side side) {
  const std::lock_guard guard(mutex_);
  return place(side).loop != nullptr;
}

void Pipe::tell(Place& place) {
  if (place.loop == nullptr || std::exchange(place.is_told, true)) return;
  place.loop->post([weak = place.end] {
    if (const auto end = weak.lock()) end->fetch();
  });
}

void Pipe::deliver(Side from, std::vector<Slice>& slices, std::size_t bytes) {
  DOHLE_ASSERT(!slices.empty() && bytes > 0, "a delivery through a pipe is empty");
  const std::lock_guard guard(mutex_);
  Place& to = place(other(from));
  if (to.loop != nullptr) {
    way(from).unread += bytes;
    for (Slice& slice : slices) to.news.slices.push_back(std::move(slice));
    tell(to);
  }
  slices.clear();
}

void Pipe::tell_opened() {
  const std::lock_guard guard(mutex_);
  place(Side::dialing).news.is_open = true;
  tell(place(Side::dialing));
}

void Pipe::refuse() {
  const std::lock_guard guard(mutex_);
  place(Side::dialing).news.is_other_closed = true;
  tell(place(Side::dialing));
}

Pipe::News Pipe::fetch(Side side) {
  const std::lock_guard guard(mutex_);
  DOHLE_ASSERT(place(side).is_told, "an end of a pipe fetches without a notification");
  place(side).is_told = false;
  return std::exchange(place(side).news, {});
}

void Pipe::took(Side receiver, std::size_t bytes) {
  const Side sender = other(receiver);
  Way& from = way(sender);
  const std::size_t before = from.unread.fetch_sub(bytes);
  DOHLE_ASSERT(bytes <= before, "more bytes are read from a pipe than were written");
  const std::size_t unread = before - bytes;
  const std::size_t wanted = from.max_wanted_unread.load();
  if (wanted == Way::nobody_waits || unread > wanted) return;
  if (from.max_wanted_unread.exchange(Way::nobody_waits) == Way::nobody_waits) return;
  const std::lock_guard guard(mutex_);
  place(sender).news.is_room = true;
  tell(place(sender));
}

// The limit is stored before the count is read; `took` changes the count before it reads the limit.
// At least one of the two sees the other.
bool Pipe::wait_for_room(Side sender, std::size_t max_unread) {
  Way& from = way(sender);
  from.max_wanted_unread = max_unread;
  if (from.unread.load() > max_unread) return true;
  return from.max_wanted_unread.exchange(Way::nobody_waits) == Way::nobody_waits;
}

PipeStream::PipeStream(Executor& loop, StreamEvents& events, std::shared_ptr<Pipe> pipe,
                       Pipe::Side side, std::size_t window_bytes)
    : loop_(loop),
      events_(events),
      pipe_(std::move(pipe)),
      side_(side),
      window_bytes_(std::max<std::size_t>(window_bytes, 1)) {}

void PipeStream::attach(std::weak_ptr<PipeStream> self) {
  self_ = std::move(self);
  pipe_->attach(side_, loop_, self_);
}

void PipeStream::begin_dial(std::chrono::milliseconds timeout) {
  dial_timer_ = loop_.arm(loop_.tick().mono + timeout, [weak = self_, timeout] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->dial_timer_ = 0;
    self->dial_failed("no answer within " + std::to_string(timeout.count()) + " ms");
  });
}

void PipeStream::opened() {
  DOHLE_ASSERT(!is_open_, "an end of a pipe opens twice");
  loop_.cancel(std::exchange(dial_timer_, 0));
  is_open_ = true;
  events_.on_open(false);
}

void PipeStream::dial_failed(std::string_view why) {
  if (!is_closed_) events_.on_lost(Error::client(Errc::connection_failed, why));
}

void PipeStream::close() {
  if (is_closed_) return;
  is_closed_ = true;
  loop_.cancel(std::exchange(dial_timer_, 0));
  arrived_.clear();
  pipe_->detach(side_);
}

void PipeStream::fetch() {
  if (is_closed_) return;
  Pipe::News news = pipe_->fetch(side_);
  const bool has_bytes = !news.slices.empty();
  for (Slice& slice : news.slices) arrived_.add(std::move(slice));
  is_other_closed_ = is_other_closed_ || news.is_other_closed;
  if (news.is_open) opened();
  if (is_closed_) return;
  if (!is_open_) {
    DOHLE_ASSERT(!has_bytes, "bytes arrived through a pipe that is not open");
    if (is_other_closed_) dial_failed("refused");
    return;
  }
  StreamNews told;
  told.may_read = has_bytes || is_other_closed_;
  told.may_write = news.is_room || is_other_closed_;
  told.is_dead = is_other_closed_;
  if (told.may_read || told.may_write) events_.on_news(told);
}

Moved PipeStream::took(std::size_t bytes) {
  if (bytes > 0) pipe_->took(side_, bytes);
  if (!arrived_.empty()) return {bytes, StreamState::ready};
  if (!is_other_closed_) return {bytes, StreamState::blocked};
  return {bytes, bytes > 0 ? StreamState::ready : StreamState::ended};
}

Result<Moved> PipeStream::read(const ReadRoom& into) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < into.count; ++i) {
    const std::size_t part = std::min(into.pieces[i].iov_len, arrived_.size());
    arrived_.copy_to({static_cast<std::byte*>(into.pieces[i].iov_base), part});
    bytes += part;
  }
  return took(bytes);
}

Result<Moved> PipeStream::read_slices(SliceQueue& into, std::size_t max_bytes) {
  return took(arrived_.move_to(into, max_bytes));
}

std::size_t PipeStream::room() const {
  return window_bytes_ - std::min(window_bytes_, unread_bytes());
}

Result<Moved> PipeStream::write(WriteQueue& from) {
  DOHLE_ASSERT(is_open_ && !is_closed_, "an end of a pipe that is not open is written to");
  // A pipe whose other side is closed takes all bytes, as a socket does; reading reports the end.
  std::size_t wanted = is_other_closed_ ? from.size() : room();
  if (wanted == 0) {
    if (pipe_->wait_for_room(side_, window_bytes_ / 2)) return Moved{0, StreamState::blocked};
    wanted = room();
  }
  const Result<std::size_t> taken = from.take_slices(wanted, slices_);
  if (!taken) {
    slices_.clear();
    return fail(taken.error());
  }
  pipe_->deliver(side_, slices_, *taken);
  return Moved{*taken, StreamState::ready};
}

}  // namespace dohle::net
