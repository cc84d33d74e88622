#include "base/budget.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

#include "base/assert.hpp"

namespace dohle {

/// Lives as long as the Budget or any of its slabs.
struct Budget::Pool {
  struct Slab {
    Buffer buffer;
    std::shared_ptr<Pool> pool;  // set while the slab is out
    Slab* next = nullptr;
    explicit Slab(std::byte* bytes) : buffer(bytes, slab_bytes, &Pool::give_back, this) {}
  };

  explicit Pool(std::size_t limit_bytes) : limit(limit_bytes) {}
  ~Pool() {
    while (free_slabs != nullptr) destroy(std::exchange(free_slabs, free_slabs->next));
  }

  static Slab* create() {
    void* block = ::operator new(sizeof(Slab) + slab_bytes);
    return new (block) Slab(static_cast<std::byte*>(block) + sizeof(Slab));
  }
  static void destroy(Slab* slab) {
    slab->~Slab();
    ::operator delete(slab);
  }

  bool charge(std::size_t bytes) {
    std::size_t was = used.load(std::memory_order_relaxed);
    do {
      if (bytes > limit || was > limit - bytes) {
        refused.store(true, std::memory_order_seq_cst);
        // Bytes may have been freed between the check and the mark, so check again.
        was = used.load(std::memory_order_seq_cst);
        if (bytes > limit || was > limit - bytes) return false;
      }
    } while (!used.compare_exchange_weak(was, was + bytes, std::memory_order_seq_cst));
    return true;
  }
  void uncharge(std::size_t bytes) {
    const std::size_t was = used.fetch_sub(bytes, std::memory_order_seq_cst);
    DOHLE_ASSERT(was >= bytes, "a budget gets back more than was taken from it");
    const std::size_t left = was - bytes;
    const bool is_awaited = refused.load(std::memory_order_seq_cst);
    if (!is_awaited || limit - left < wanted_bytes.load(std::memory_order_relaxed)) return;
    if (refused.exchange(false) && room) room();
  }

  static void give_back(Buffer* buffer) noexcept {
    auto* slab = static_cast<Slab*>(buffer->owner());
    const std::shared_ptr<Pool> pool = std::move(slab->pool);
    DOHLE_ASSERT(pool != nullptr, "a slab is given back twice");
    {
      const std::lock_guard guard(pool->lock);
      slab->next = pool->free_slabs;
      pool->free_slabs = slab;
    }
    pool->uncharge(slab_bytes);
  }

  const std::size_t limit;
  std::atomic<std::size_t> used{0};
  std::atomic<bool> refused{false};
  std::mutex lock;
  Slab* free_slabs = nullptr;
  std::function<void()> room;
  std::size_t piece_bytes = 1;
  std::size_t most_bytes = 1;
  std::atomic<std::size_t> wanted_bytes{1};
};

Budget::Budget(std::size_t limit_bytes) : pool_(std::make_shared<Pool>(limit_bytes)) {}
Budget::~Budget() = default;

Buffer* Budget::take() {
  if (!pool_->charge(slab_bytes)) return nullptr;
  Pool::Slab* slab = nullptr;
  {
    const std::lock_guard guard(pool_->lock);
    if (pool_->free_slabs != nullptr) {
      slab = std::exchange(pool_->free_slabs, pool_->free_slabs->next);
    }
  }
  if (slab == nullptr) {
    slab = Pool::create();
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
  const std::size_t wanted = room == Room::most ? pool_->most_bytes : pool_->piece_bytes;
  pool_->wanted_bytes.store(wanted);
  pool_->refused.store(true);
  return limit() - pool_->used.load() >= wanted && pool_->refused.exchange(false);
}

}  // namespace dohle
