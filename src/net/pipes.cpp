#include "net/pipes.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "base/assert.hpp"
#include "net/pipe_stream.hpp"

namespace dohle::net {

namespace {

constexpr std::size_t max_waiting = 1024;
constexpr std::uint16_t first_free_port = 32'768;

/// The name of the other side of each pipe.
constexpr std::string_view peer_name = "pipe";

/// One end of a pipe. `stream` keeps the owner alive, too, which gets `made`.
struct PipeEnd {
  PipeEnd(Executor& loop, const ConnectionLimits& limits,
          const std::shared_ptr<StreamEvents>& owner, std::shared_ptr<Pipe> pipe, Pipe::Side side)
      : made(std::make_unique<PipeStream>(loop, *owner, std::move(pipe), side,
                                          limits.max_write_queue_bytes / 2)),
        stream(owner, made.get()) {
    stream->attach(stream);
  }

  std::unique_ptr<PipeStream> made;
  std::shared_ptr<PipeStream> stream;
};

// The part of a listener that pending connections keep alive. Loop thread only.
class PipeAccepting {
 public:
  PipeAccepting(Executor& loop, const ConnectionLimits& limits,
                std::shared_ptr<StreamAcceptor> acceptor)
      : loop_(loop), limits_(limits), acceptor_(std::move(acceptor)) {}

  [[nodiscard]] Executor& loop() const { return loop_; }

  void arrived(std::shared_ptr<Pipe> pipe) {
    if (is_closed_ || waiting_.size() >= max_waiting) return pipe->refuse();
    waiting_.push_back(std::move(pipe));
    take_waiting();
  }
  void pause() { is_paused_ = true; }
  void resume() { is_paused_ = false; }
  void take_waiting() {
    while (!is_paused_ && !is_closed_ && !waiting_.empty()) {
      const auto pipe = std::move(waiting_.front());
      waiting_.pop_front();
      if (pipe->is_attached(Pipe::Side::dialing)) take(pipe);
    }
  }
  void close() {
    is_closed_ = true;
    for (const auto& pipe : std::exchange(waiting_, {})) pipe->refuse();
  }

 private:
  void take(const std::shared_ptr<Pipe>& pipe) {
    std::shared_ptr<PipeStream> stream;
    const auto make = [&](const std::shared_ptr<StreamEvents>& owner) {
      PipeEnd end(loop_, limits_, owner, pipe, Pipe::Side::accepting);
      stream = end.stream;
      return std::move(end.made);
    };
    if (!acceptor_->on_accept(std::string(peer_name), make)) return;
    pipe->tell_opened();
    stream->opened();
  }

  Executor& loop_;
  const ConnectionLimits limits_;
  const std::shared_ptr<StreamAcceptor> acceptor_;
  std::deque<std::shared_ptr<Pipe>> waiting_;
  bool is_paused_ = false;
  bool is_closed_ = false;
};

}  // namespace

class PipeNetwork::Registry {
 public:
  // Replaces port 0 by a free one. Returns false if the address is taken, or if no port is free.
  bool add(Endpoint& at, std::shared_ptr<PipeAccepting> accepting) {
    const std::lock_guard guard(mutex_);
    if (at.port == 0) {
      for (at.port = first_free_port; at.port != 0 && listeners_.contains(at);) ++at.port;
      if (at.port == 0) return false;
    }
    return listeners_.emplace(at, std::move(accepting)).second;
  }
  void remove(const Endpoint& at) {
    const std::lock_guard guard(mutex_);
    listeners_.erase(at);
  }
  // Returns false if the address has no listener. The lock keeps the listener, and so its loop,
  // alive during the post.
  bool dial(const Endpoint& to, std::shared_ptr<Pipe> pipe) {
    const std::lock_guard guard(mutex_);
    const auto found = listeners_.find(to);
    if (found == listeners_.end()) return false;
    found->second->loop().post([accepting = found->second, pipe = std::move(pipe)]() mutable {
      accepting->arrived(std::move(pipe));
    });
    return true;
  }

 private:
  std::mutex mutex_;
  std::map<Endpoint, std::shared_ptr<PipeAccepting>> listeners_;
};

namespace {

class PipeListener final : public Listener {
 public:
  PipeListener(std::shared_ptr<PipeNetwork::Registry> registry,
               std::shared_ptr<PipeAccepting> accepting, Endpoint local)
      : registry_(std::move(registry)),
        accepting_(std::move(accepting)),
        local_(std::move(local)) {}
  PipeListener(const PipeListener&) = delete;
  PipeListener& operator=(const PipeListener&) = delete;
  ~PipeListener() override {
    registry_->remove(local_);
    accepting_->close();
  }
  const Endpoint& local() const override { return local_; }
  void pause() override { accepting_->pause(); }
  void resume() override {
    accepting_->resume();
    accepting_->loop().post([accepting = accepting_] { accepting->take_waiting(); });
  }

 private:
  std::shared_ptr<PipeNetwork::Registry> registry_;
  std::shared_ptr<PipeAccepting> accepting_;
  Endpoint local_;
};

class PipeListening final : public StreamListening {
 public:
  PipeListening(std::shared_ptr<PipeNetwork::Registry> registry, Executor& loop)
      : registry_(std::move(registry)), loop_(loop) {}

  Result<std::unique_ptr<Listener>> listen(const Endpoint& at, const ConnectionLimits& limits,
                                           std::shared_ptr<StreamAcceptor> acceptor) override {
    auto accepting = std::make_shared<PipeAccepting>(loop_, limits, std::move(acceptor));
    Endpoint local = at;
    if (!registry_->add(local, accepting)) {
      return fail(Error::client(Errc::already_exists,
                                "cannot listen on " + at.to_string() + ": the address is taken"));
    }
    return std::make_unique<PipeListener>(registry_, std::move(accepting), std::move(local));
  }

 private:
  std::shared_ptr<PipeNetwork::Registry> registry_;
  Executor& loop_;
};

class PipeDialer final : public StreamDialer {
 public:
  PipeDialer(std::shared_ptr<PipeNetwork::Registry> registry, Executor& loop)
      : registry_(std::move(registry)), loop_(loop) {}

  std::string peer_of(const Endpoint& /*to*/) const override { return std::string(peer_name); }
  void dial(const Endpoint& to, const DialOptions& options,
            const std::shared_ptr<StreamOwner>& owner) override {
    const auto pipe = std::make_shared<Pipe>();
    PipeEnd end(loop_, options.limits, owner, pipe, Pipe::Side::dialing);
    owner->set_stream(std::move(end.made));
    end.stream->begin_dial(options.connect_timeout);
    if (registry_->dial(to, pipe)) return;
    loop_.post([stream = end.stream] { stream->dial_failed("no listener is there"); });
  }

 private:
  std::shared_ptr<PipeNetwork::Registry> registry_;
  Executor& loop_;
};

}  // namespace

PipeNetwork::PipeNetwork() : registry_(std::make_shared<Registry>()) {}

PipeNetwork::~PipeNetwork() = default;

std::unique_ptr<StreamListening> PipeNetwork::listening(Executor& loop) {
  return std::make_unique<PipeListening>(registry_, loop);
}

std::unique_ptr<StreamDialer> PipeNetwork::dialer(Executor& loop) {
  return std::make_unique<PipeDialer>(registry_, loop);
}

}  // namespace dohle::net
