#include "sim/stream.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "sim/machine.hpp"
#include "sim/world.hpp"

namespace dohle::sim {

namespace {

constexpr std::size_t packet_bytes = 60;  ///< size of a packet without content
constexpr std::size_t max_segment_bytes = 64 * 1024;
/// One read or write in this many is short, and half of the short writes find no room.
constexpr std::uint64_t short_one_in = 8;
constexpr Duration retry_first = std::chrono::milliseconds(200);
constexpr Duration retry_longest = std::chrono::seconds(5);
constexpr Duration syn_retry = std::chrono::seconds(1);

constexpr const char* other_reset = "reset by the other side";

std::string milliseconds_text(Duration span) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
  return std::to_string(count) + " ms";
}

}  // namespace

Admission FrameTap::on_frame_length(std::size_t bytes) {
  return stream_.is_process_alive(side_) ? events_.on_frame_length(bytes) : Admission::hold;
}

Admission FrameTap::on_frame_room(std::size_t bytes) {
  return stream_.is_process_alive(side_) ? events_.on_frame_room(bytes) : Admission::hold;
}

void FrameTap::on_frame_room_unused(std::size_t bytes) {
  events_.on_frame_room_unused(bytes);
}

void FrameTap::on_frame(Slice frame) {
  if (!stream_.is_process_alive(side_)) return;
  stream_.frame_is_read(side_, frame);
  events_.on_frame(std::move(frame));
}

Result<Moved> StreamEnd::read_slices(SliceQueue& /*into*/, std::size_t /*max_bytes*/) {
  DOHLE_ASSERT(hands_over_slices(), "a simulated socket reads into memory");
  return Moved{0, StreamState::blocked};
}

Stream::Stream(Network& network, std::uint64_t id, ProcessLoop& dialer, Endpoint to,
               const DialOptions& options, StreamLayer* layer)
    : network_(network),
      id_(id),
      dialer_(dialer.name()),
      to_(std::move(to)),
      connect_timeout_(options.connect_timeout) {
  End& end = at(Side::dialer);
  end.state = State::connecting;
  end.machine = &dialer.machine();
  end.loop = &dialer;
  end.limits = options.limits;
  end.layer = layer;
  end.peer = to_.to_string();
}

bool Stream::is_live(const End& end) {
  return end.state == State::connecting || end.state == State::backlog || end.state == State::open;
}

bool Stream::is_open() const {
  return is_live(ends_[0]) || is_live(ends_[1]);
}

bool Stream::is_over() const {
  return !is_open() && ends_[0].on_way.empty() && ends_[1].on_way.empty();
}

bool Stream::connects(const Machine* a, const Machine* b) {
  const Machine* const from = at(Side::dialer).machine;
  const Machine* const to = at(Side::acceptor).machine;
  return (from == a && to == b) || (from == b && to == a);
}

World& Stream::world() const {
  return network_.world_;
}

bool Stream::is_stopped(Side from) {
  End& end = at(from);
  if (!end.is_held_back) {
    return network_.is_stopped(end.machine->index(), at(other(from)).machine->index());
  }
  if (!std::exchange(end.holding_has_bitten, true)) {
    world().bitten(Fault::held_back, "network", "a connection's bytes wait");
  }
  return true;
}

void Stream::hold_back(const Machine& from) {
  End& end = at(at(Side::dialer).machine == &from ? Side::dialer : Side::acceptor);
  end.is_held_back = true;
  end.holding_has_bitten = false;
}

void Stream::let_go() {
  for (const Side from : {Side::dialer, Side::acceptor}) {
    if (!std::exchange(at(from).is_held_back, false)) continue;
    at(from).retry_is_due = false;
    deliver(from);
  }
}

Duration Stream::travel_time(Side from, std::size_t bytes) {
  return network_.transfer_time(at(from).machine->index(), at(other(from)).machine->index(), bytes);
}

void Stream::later(Duration delay, void (Stream::*what)()) {
  world().after(delay, [self = shared_from_this(), what] { (*self.*what)(); });
}

void Stream::note(std::string_view line) const {
  if (!world().is_traced()) return;
  world().trace(dialer_ + " > " + at(Side::dialer).peer + " (" + std::to_string(id_) + ")", line);
}

// Setting up.

std::unique_ptr<Connection> Stream::connect(ConnectionEvents& events) {
  End& end = at(Side::dialer);
  const auto connection = hold(Side::dialer);
  connection->set_events(tapped(Side::dialer, events));
  if (!end.loop->is_alive()) {
    process_ended(Side::dialer, false);
    return connection->handle();
  }
  at(Side::acceptor).machine = network_.resolve(to_.host, *end.loop);
  if (at(Side::acceptor).machine == nullptr) {
    lost(Side::dialer, Errc::name_not_resolved, "no machine is called " + to_.host);
  } else {
    later(connect_timeout_, &Stream::connect_timed_out);
    send_syn();
  }
  return connection->handle();
}

std::shared_ptr<frames::FramedConnection> Stream::hold(Side side) {
  End& end = at(side);
  DOHLE_ASSERT(end.events == nullptr, "an end of a stream has two connections");
  auto connection = std::make_shared<frames::FramedConnection>(
      frames::OnLoop{*end.loop, &end.loop->read_buffers()}, end.limits,
      frames::PeerNames{end.peer, end.peer});
  const auto socket = [&](StreamEvents& events) {
    end.events = &events;
    return std::make_unique<StreamEnd>(shared_from_this(), side);
  };
  if (end.layer == nullptr) {
    connection->set_stream(socket(*connection));
  } else {
    const std::string host = side == Side::dialer ? to_.host : std::string();
    connection->set_stream(end.layer->put_on(socket, *connection, host));
  }
  return connection;
}

ConnectionEvents* Stream::tapped(Side side, ConnectionEvents& events) {
  at(side).tap = std::make_unique<FrameTap>(*this, side, events);
  return at(side).tap.get();
}

void Stream::frame_is_read(Side side, const Slice& frame) const {
  world().frame_read({id_, dialer_, at(Side::dialer).peer, side == Side::dialer, frame});
}

void Stream::connect_timed_out() {
  if (at(Side::dialer).state != State::connecting) return;
  lost(Side::dialer, Errc::connection_failed,
       "no answer within " + milliseconds_text(connect_timeout_));
}

void Stream::send_syn() {
  if (at(Side::dialer).state != State::connecting) return;
  ++syns_;
  later(travel_time(Side::dialer, packet_bytes), &Stream::syn_arrives);
}

void Stream::retry_syn() {
  later(syn_retry * (std::int64_t{1} << std::min(syns_ - 1, 5u)), &Stream::send_syn);
}

void Stream::syn_arrives() {
  End& there = at(Side::acceptor);
  if (at(Side::dialer).state != State::connecting) return;
  if (is_stopped(Side::dialer) || !there.machine->is_up()) return retry_syn();
  const auto port = network_.port_for(*there.machine, to_.port);
  if (port == nullptr) {
    return later(travel_time(Side::acceptor, packet_bytes), &Stream::refusal_arrives);
  }
  if (!port->has_room()) return retry_syn();
  there.state = State::backlog;
  there.loop = &port->loop();
  there.limits = port->limits();
  there.layer = port->layer();
  there.peer = at(Side::dialer).machine->name() + ":" + std::to_string(network_.next_port());
  port_ = port;
  later(travel_time(Side::acceptor, packet_bytes), &Stream::answer_arrives);
}

void Stream::refusal_arrives() {
  if (is_stopped(Side::acceptor)) return retry_syn();
  lost(Side::dialer, Errc::connection_failed, "refused");
}

void Stream::answer_arrives() {
  if (is_stopped(Side::acceptor)) return later(syn_retry, &Stream::answer_arrives);
  if (at(Side::dialer).state == State::connecting) {
    opened(Side::dialer);
    later(travel_time(Side::dialer, packet_bytes), &Stream::handshake_ends);
  } else if (at(Side::dialer).machine->is_up()) {
    send_reset(Side::dialer);
  }
}

void Stream::handshake_ends() {
  if (at(Side::acceptor).state != State::backlog) return;
  if (is_stopped(Side::dialer)) return later(syn_retry, &Stream::handshake_ends);
  if (const auto port = port_.lock(); port != nullptr && port->is_open()) {
    return port->offer(shared_from_this());
  }
  send_reset(Side::acceptor);
  close_end(Side::acceptor);
}

void Stream::opened(Side side) {
  End& end = at(side);
  DOHLE_ASSERT(end.state == State::connecting, "an end of a stream opens twice");
  end.state = State::open;
  note("open");
  end.loop->post([self = shared_from_this(), side] {
    const End& mine = self->at(side);
    if (mine.state == State::open && mine.events != nullptr) mine.events->on_open(true);
  });
}

void Stream::accept(Acceptor& acceptor) {
  End& end = at(Side::acceptor);
  if (end.state != State::backlog) return;
  end.state = State::open;
  const auto connection = hold(Side::acceptor);
  ConnectionEvents* const events = acceptor.on_accept(connection->handle());
  if (events == nullptr || connection->is_closed()) return connection->close();
  connection->set_events(tapped(Side::acceptor, *events));
  if (end.state == State::open) end.events->on_open(true);
}

// Bytes.

Result<Stream::Segment> Stream::next_segment(WriteQueue& from, std::size_t max_bytes) {
  Segment segment;
  std::vector<Slice> slices;
  const auto taken = from.take_slices(max_bytes, slices);
  if (!taken) return fail(taken.error());
  segment.bytes = *taken;
  // Copied, as into a kernel: the sender gets its memory back while the bytes are in transit.
  for (const Slice& slice : slices) segment.pieces.push_back(Slice::copy_of(slice.bytes()));
  return segment;
}

Result<Moved> Stream::write(Side side, WriteQueue& from) {
  End& end = at(side);
  if (end.state != State::open) return Moved{0, StreamState::blocked};
  DOHLE_ASSERT(!end.has_ended, "bytes are written after the end of a stream");
  if (end.was_reset) return fail(Error::client(Errc::connection_lost, other_reset));
  const std::size_t window = network_.options_.window_bytes;
  if (end.outstanding_bytes >= window) {
    end.waits_for_room = true;
    return Moved{0, StreamState::blocked};
  }
  std::size_t most = std::min(window - end.outstanding_bytes, max_segment_bytes);
  const bool is_short = network_.random_.below(short_one_in) == 0;
  if (is_short) most = 1 + network_.random_.below(most);
  Result<Segment> segment = next_segment(from, most);
  if (!segment) return fail(segment.error());
  const std::size_t bytes = segment->bytes;
  end.outstanding_bytes += bytes;
  put_on_way(side, *std::move(segment));
  if (!is_short || network_.random_.below(2) == 0) return Moved{bytes, StreamState::ready};
  end.waits_for_room = true;
  room_comes(side);
  return Moved{bytes, StreamState::blocked};
}

/// Later: the answer of the other side has to travel.
void Stream::room_comes(Side side) {
  if (!std::exchange(at(side).waits_for_room, false)) return;
  world().after(travel_time(other(side), packet_bytes),
                [self = shared_from_this(), side] { self->window_opens(side); });
}

Result<Moved> Stream::read(Side side, const ReadRoom& into) {
  End& end = at(side);
  if (end.state != State::open) return Moved{0, StreamState::blocked};
  if (end.arrived.empty()) {
    if (end.other_ended) return Moved{0, StreamState::ended};
    if (end.was_reset) return fail(Error::client(Errc::connection_lost, other_reset));
    return Moved{0, StreamState::blocked};
  }
  std::size_t most = std::min(into.bytes, end.arrived.size());
  if (network_.random_.below(short_one_in) == 0) most = 1 + network_.random_.below(most);
  std::size_t left = most;
  for (std::size_t i = 0; i < into.count && left > 0; ++i) {
    const std::size_t part = std::min(into.pieces[i].iov_len, left);
    end.arrived.copy_to({static_cast<std::byte*>(into.pieces[i].iov_base), part});
    left -= part;
  }
  End& sender = at(other(side));
  DOHLE_ASSERT(most <= sender.outstanding_bytes, "more bytes are read than were sent");
  sender.outstanding_bytes -= most;
  room_comes(other(side));
  const bool is_more = !end.arrived.empty() || end.other_ended || end.was_reset;
  return Moved{most, is_more ? StreamState::ready : StreamState::blocked};
}

void Stream::put_on_way(Side from, Segment segment) {
  End& end = at(from);
  const Duration travel = travel_time(from, segment.bytes + packet_bytes);
  DOHLE_ASSERT(segment.is_end || segment.bytes > 0, "an empty segment is sent");
  end.last_arrival = std::max(end.last_arrival, world().now() + travel);
  segment.arrives = end.last_arrival;
  end.on_way.push_back(std::move(segment));
  world().schedule(end.last_arrival, [self = shared_from_this(), from] { self->deliver(from); });
}

void Stream::deliver(Side from) {
  End& end = at(from);
  if (end.retry_is_due) return;
  const End& to = at(other(from));
  while (!end.on_way.empty() && end.on_way.front().arrives <= world().now()) {
    const bool is_dark = to.state == State::vanished && !to.machine->is_up();
    if (is_dark || is_stopped(from)) return stall(from);
    Segment segment = std::move(end.on_way.front());
    end.on_way.pop_front();
    end.stalled_since.reset();
    arrive(from, std::move(segment));
  }
}

void Stream::stall(Side from) {
  End& end = at(from);
  if (!end.stalled_since) {
    end.stalled_since = world().now();
    end.backoff = retry_first;
  } else {
    end.backoff = std::min(end.backoff * 2, retry_longest);
  }
  end.retry_is_due = true;
  world().after(end.backoff, [self = shared_from_this(), from] { self->retry(from); });
}

void Stream::retry(Side from) {
  End& end = at(from);
  end.retry_is_due = false;
  if (end.on_way.empty()) return end.stalled_since.reset();
  const Duration limit = network_.options_.retransmit_timeout;
  if (!end.stalled_since || world().now() - *end.stalled_since < limit) return deliver(from);
  end.on_way.clear();
  end.stalled_since.reset();
  lost(from, Errc::connection_lost, "nothing acknowledged for " + milliseconds_text(limit));
}

void Stream::arrive(Side from, Segment segment) {
  const Side side = other(from);
  End& to = at(side);
  world().mark(id_ * 2 + static_cast<std::uint64_t>(side), segment.bytes);
  switch (to.state) {
    case State::closed:
      if (!segment.is_end) send_reset(side);
      return;
    case State::vanished:
      return send_reset(side);
    case State::absent:
      return;
    case State::connecting:
    case State::backlog:
    case State::open:
      break;
  }
  to.other_ended |= segment.is_end;
  for (Slice& piece : segment.pieces) to.arrived.add(std::move(piece));
  tell(side, {.may_read = true});
}

void Stream::window_opens(Side from) {
  if (is_stopped(other(from))) {
    world().after(retry_first, [self = shared_from_this(), from] { self->window_opens(from); });
    return;
  }
  tell(from, {.may_write = true});
}

/// Reports news in a turn of the process. Before the end is open, `on_open` covers them.
void Stream::tell(Side side, StreamNews news) {
  End& end = at(side);
  if (end.state != State::open || end.events == nullptr) return;
  end.news.may_read |= news.may_read;
  end.news.may_write |= news.may_write;
  end.news.is_dead |= news.is_dead;
  end.news.is_reset |= news.is_reset;
  if (std::exchange(end.news_are_due, true)) return;
  end.loop->post([self = shared_from_this(), side] {
    End& mine = self->at(side);
    mine.news_are_due = false;
    const StreamNews told = std::exchange(mine.news, {});
    if (mine.state == State::open && mine.events != nullptr) mine.events->on_news(told);
  });
}

// Ending.

void Stream::end_writes(Side side) {
  End& end = at(side);
  if (end.state != State::open) return;
  DOHLE_ASSERT(!end.has_ended, "a stream ends twice");
  end.has_ended = true;
  end.arrived.clear();
  send_end(side);
}

void Stream::close(Side side) {
  End& end = at(side);
  end.events = nullptr;
  if (!is_live(end)) return;
  note("closed by " + end.loop->name());
  if (!end.arrived.empty()) {
    send_reset(side);
  } else if (end.state != State::connecting && !end.has_ended) {
    send_end(side);
  }
  close_end(side);
}

void Stream::send_end(Side side) {
  Segment end;
  end.is_end = true;
  put_on_way(side, std::move(end));
}

void Stream::send_reset(Side side) {
  End& end = at(side);
  end.last_arrival = std::max(end.last_arrival, world().now() + travel_time(side, packet_bytes));
  world().schedule(end.last_arrival, [self = shared_from_this(), side] {
    if (!self->is_stopped(side)) self->reset_arrives(other(side));
  });
}

void Stream::reset_arrives(Side side) {
  End& end = at(side);
  if (end.state == State::backlog) return close_end(side);
  if (end.state == State::connecting) return lost(side, Errc::connection_failed, "reset");
  if (end.state != State::open) return;
  end.was_reset = true;
  tell(side, {.may_read = true, .may_write = true, .is_dead = true, .is_reset = true});
}

void Stream::close_end(Side side) {
  End& end = at(side);
  end.state = State::closed;
  end.arrived.clear();
}

void Stream::lost(Side side, Errc code, const std::string& why) {
  End& end = at(side);
  if (!is_live(end)) return;
  note("lost by " + end.loop->name() + ": " + why);
  close_end(side);
  if (end.events == nullptr) return;
  Error error = Error::client(code, why).with_retriable(code != Errc::name_not_resolved);
  end.loop->post([self = shared_from_this(), side, error = std::move(error)] {
    const End& mine = self->at(side);
    if (mine.events != nullptr) mine.events->on_lost(error);
  });
}

void Stream::reset() {
  for (const Side from : {Side::dialer, Side::acceptor}) {
    End& end = at(from);
    std::size_t bytes = 0;
    for (const Segment& segment : end.on_way) bytes += segment.bytes;
    std::size_t kept = network_.random_.below(bytes + 1);
    for (Segment& segment : std::exchange(end.on_way, {})) {
      for (const Slice& piece : segment.pieces) {
        const std::size_t part = std::min(kept, piece.size());
        kept -= part;
        if (part > 0) at(other(from)).arrived.add(piece.sub(0, part));
      }
    }
  }
  note("reset on its way");
  reset_arrives(Side::dialer);
  reset_arrives(Side::acceptor);
}

void Stream::process_ended(Side side, bool is_told) {
  End& end = at(side);
  if (!is_live(end)) return;
  end.events = nullptr;
  const State was = end.state;
  const bool has_unread = !end.arrived.empty();
  const bool has_ended = end.has_ended;
  close_end(side);
  if (!is_told) {
    end.state = State::vanished;
  } else if (was == State::backlog || has_unread) {
    send_reset(side);
  } else if (was != State::connecting && !has_ended) {
    send_end(side);
  }
}

// Listening.

bool ListenerPort::has_room() const {
  return waiting_.size() < network_.options_.backlog;
}

void ListenerPort::offer(std::shared_ptr<Stream> stream) {
  DOHLE_ASSERT(is_open_, "a port that is closed takes a connection");
  waiting_.push_back(std::move(stream));
  schedule();
}

void ListenerPort::resume() {
  is_paused_ = false;
  schedule();
}

void ListenerPort::schedule() {
  if (is_due_ || is_paused_ || waiting_.empty()) return;
  is_due_ = true;
  loop_.post([self = shared_from_this()] { self->accept_waiting(); });
}

void ListenerPort::accept_waiting() {
  is_due_ = false;
  while (is_open_ && !is_paused_ && !waiting_.empty()) {
    const std::shared_ptr<Stream> stream = std::move(waiting_.front());
    waiting_.pop_front();
    stream->accept(acceptor_);
  }
}

void ListenerPort::close() {
  is_open_ = false;
  for (const auto& stream : std::exchange(waiting_, {})) {
    stream->process_ended(Side::acceptor, true);
  }
}

}  // namespace dohle::sim
