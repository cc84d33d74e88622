#include "base/budget.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace dohle {

namespace {

/// A part of a SharedBudget may use this many times the free bytes.
constexpr std::size_t free_times = 4;

}  // namespace

/// The free slabs of one Budget or SharedBudget.
struct Budget::Slabs {
  struct Slab {
    Buffer buffer;
    std::shared_ptr<Pool> pool;  // set while the slab is out
    Slab* next = nullptr;
    Slab(std::byte* bytes, Buffer::Release release) : buffer(bytes, slab_bytes, release, this) {}
  };

  Slabs() = default;
  ~Slabs() {
    while (first != nullptr) destroy(std::exchange(first, first->next));
  }
  Slabs(const Slabs&) = delete;
  Slabs& operator=(const Slabs&) = delete;

  Slab* pop() {
    const std::lock_guard guard(lock);
    return first == nullptr ? nullptr : std::exchange(first, first->next);
  }
  void push(Slab* slab) {
    const std::lock_guard guard(lock);
    slab->next = first;
    first = slab;
  }
  static Slab* create(Buffer::Release release) {
    void* block = ::operator new(sizeof(Slab) + slab_bytes);
    return new (block) Slab(static_cast<std::byte*>(block) + sizeof(Slab), release);
  }
  static void destroy(Slab* slab) {
    slab->~Slab();
    ::operator delete(slab);
  }

  std::mutex lock;
  Slab* first = nullptr;
};

/// Lives as long as the SharedBudget or any of its Budgets.
struct SharedBudget::Whole {
  explicit Whole(std::size_t limit_bytes) : limit(limit_bytes) {}

  /// Lists a Budget to be notified.
  void await(const std::shared_ptr<Budget::Pool>& pool);
  void forget(const std::shared_ptr<Budget::Pool>& pool);
  /// Notifies the listed Budgets that have room, without the lock.
  void notify();

  const std::size_t limit;
  std::atomic<std::size_t> used{0};
  const std::shared_ptr<Budget::Slabs> slabs = std::make_shared<Budget::Slabs>();

 private:
  std::shared_ptr<Budget::Pool> take_one_with_room();

  std::mutex lock_;
  std::vector<std::shared_ptr<Budget::Pool>> waiting_;
  std::atomic<bool> is_awaited_{false};
};

/// Lives as long as the Budget or any of its slabs.
struct Budget::Pool : std::enable_shared_from_this<Pool> {
  explicit Pool(std::size_t limit_bytes)
      : limit(limit_bytes), slabs(std::make_shared<Budget::Slabs>()) {}
  explicit Pool(std::shared_ptr<SharedBudget::Whole> part_of)
      : limit(part_of->limit / (free_times + 1) * free_times),
        slabs(part_of->slabs),
        whole(std::move(part_of)) {}

  /// The counter that `room` compares: the bytes in use by all that share the limit.
  std::atomic<std::size_t>& counter() { return whole ? whole->used : used; }
  /// The bytes that can be charged while `taken` are in use.
  std::size_t room_beside(std::size_t taken) const {
    if (!whole) return limit - taken;
    const std::size_t own = used.load(std::memory_order_relaxed);
    const std::size_t allowed = free_times * (whole->limit - taken);
    return allowed > own ? (allowed - own) / (free_times + 1) : 0;
  }
  /// Whether there is also room for the last refused request. With less room the caller would only
  /// be refused again.
  bool has_wanted_room() {
    return room_beside(counter().load(std::memory_order_seq_cst)) >=
           std::max(wanted_bytes.load(std::memory_order_relaxed),
                    refused_bytes.load(std::memory_order_relaxed));
  }

  void await() {
    refused.store(true, std::memory_order_seq_cst);
    if (whole) whole->await(shared_from_this());
  }
  void tell_of_room() {
    if (refused.exchange(false) && room) room();
  }

  bool charge(std::size_t bytes) {
    std::atomic<std::size_t>& taken = counter();
    std::size_t was = taken.load(std::memory_order_relaxed);
    do {
      if (bytes > room_beside(was)) {
        refused_bytes.store(std::min(bytes, limit), std::memory_order_relaxed);
        await();
        // Bytes may have been freed between the check and the mark, so check again.
        was = taken.load(std::memory_order_seq_cst);
        if (bytes > room_beside(was)) return false;
      }
    } while (!taken.compare_exchange_weak(was, was + bytes, std::memory_order_seq_cst));
    if (whole) used.fetch_add(bytes, std::memory_order_seq_cst);
    return true;
  }
  void uncharge(std::size_t bytes) {
    const std::size_t was = used.fetch_sub(bytes, std::memory_order_seq_cst);
    DOHLE_ASSERT(was >= bytes, "a budget gets back more than was taken from it");
    if (whole) {
      whole->used.fetch_sub(bytes, std::memory_order_seq_cst);
      return whole->notify();
    }
    if (refused.load(std::memory_order_seq_cst) && has_wanted_room()) tell_of_room();
  }

  static void give_back(Buffer* buffer) noexcept {
    auto* slab = static_cast<Slabs::Slab*>(buffer->owner());
    const std::shared_ptr<Pool> pool = std::move(slab->pool);
    DOHLE_ASSERT(pool != nullptr, "a slab is given back twice");
    pool->slabs->push(slab);
    pool->uncharge(slab_bytes);
  }

  const std::size_t limit;
  const std::shared_ptr<Budget::Slabs> slabs;
  /// Null for a Budget of its own.
  const std::shared_ptr<SharedBudget::Whole> whole = nullptr;
  std::atomic<std::size_t> used{0};
  std::atomic<bool> refused{false};
  std::function<void()> room;
  std::size_t piece_bytes = 1;
  std::size_t most_bytes = 1;
  std::atomic<std::size_t> wanted_bytes{1};
  /// The bytes of the last refused take or reserve.
  std::atomic<std::size_t> refused_bytes{1};
};

void SharedBudget::Whole::await(const std::shared_ptr<Budget::Pool>& pool) {
  const std::lock_guard guard(lock_);
  if (std::ranges::find(waiting_, pool) == waiting_.end()) waiting_.push_back(pool);
  is_awaited_.store(true, std::memory_order_seq_cst);
}

void SharedBudget::Whole::forget(const std::shared_ptr<Budget::Pool>& pool) {
  const std::lock_guard guard(lock_);
  std::erase(waiting_, pool);
}

std::shared_ptr<Budget::Pool> SharedBudget::Whole::take_one_with_room() {
  const std::lock_guard guard(lock_);
  const auto found =
      std::ranges::find_if(waiting_, [](const auto& pool) { return pool->has_wanted_room(); });
  if (found == waiting_.end()) return nullptr;
  auto pool = std::move(*found);
  waiting_.erase(found);
  if (waiting_.empty()) is_awaited_.store(false, std::memory_order_seq_cst);
  return pool;
}

void SharedBudget::Whole::notify() {
  while (is_awaited_.load(std::memory_order_seq_cst)) {
    const auto pool = take_one_with_room();
    if (!pool) return;
    pool->tell_of_room();
  }
}

SharedBudget::SharedBudget(std::size_t limit_bytes)
    : whole_(std::make_shared<Whole>(limit_bytes)) {}
SharedBudget::~SharedBudget() = default;

std::size_t SharedBudget::used() const {
  return whole_->used.load(std::memory_order_relaxed);
}

Budget::Budget(std::size_t limit_bytes) : pool_(std::make_shared<Pool>(limit_bytes)) {}
Budget::Budget(const SharedBudget& shared) : pool_(std::make_shared<Pool>(shared.whole_)) {}

Budget::~Budget() {
  if (pool_->whole) pool_->whole->forget(pool_);
}

Buffer* Budget::take() {
  if (!pool_->charge(slab_bytes)) return nullptr;
  Slabs::Slab* slab = pool_->slabs->pop();
  if (slab == nullptr) {
    slab = Slabs::create(&Pool::give_back);
  } else {
    std::construct_at(&slab->buffer, slab->buffer.data(), slab_bytes, &Pool::give_back, slab);
  }
  DOHLE_ASSERT(slab->pool == nullptr, "a slab is handed out twice");
  slab->pool = pool_;
  return &slab->buffer;
}

bool Budget::reserve(std::size_t bytes) {
  return pool_->charge(bytes);
}
void Budget::unreserve(std::size_t bytes) {
  pool_->uncharge(bytes);
}
std::size_t Budget::limit() const {
  return pool_->limit;
}
std::size_t Budget::used() const {
  return pool_->used.load(std::memory_order_relaxed);
}
void Budget::on_room(std::function<void()> callback, std::size_t piece_bytes,
                     std::size_t most_bytes) {
  pool_->room = std::move(callback);
  pool_->piece_bytes = std::clamp<std::size_t>(piece_bytes, 1, pool_->limit);
  pool_->most_bytes = std::clamp(most_bytes, pool_->piece_bytes, pool_->limit);
  pool_->wanted_bytes.store(pool_->piece_bytes);
}
bool Budget::ask_for(Room room) {
  pool_->wanted_bytes.store(room == Room::most ? pool_->most_bytes : pool_->piece_bytes);
  pool_->await();
  return pool_->has_wanted_room() && pool_->refused.exchange(false);
}

}  // namespace dohle
