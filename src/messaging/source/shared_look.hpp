#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "client/cluster/shared_client.hpp"
#include "dohle/admin.hpp"
#include "dohle/error.hpp"
#include "messaging/source/topic_look.hpp"

namespace dohle::messaging {

/// The look for topics that the subscriptions of a broker with patterns share: TopicLook decides,
/// under a lock. The requests are asynchronous. Their answers wake the subscriptions, whose polling
/// threads take them up. Thread safety: any thread.
class SharedLook : public std::enable_shared_from_this<SharedLook> {
 public:
  using Listed = std::move_only_function<void(Result<std::vector<TopicListing>>)>;
  using Described = std::move_only_function<void(Result<std::vector<Named<TopicDescription>>>)>;
  /// How it asks. Neither waits. The answer comes once, on any thread, or never if the client ends.
  struct Means {
    std::function<void(std::chrono::milliseconds timeout, Listed then)> list;
    std::function<void(std::vector<std::string> names, std::chrono::milliseconds timeout,
                       Described then)>
        describe;
  };
  /// The topics, and whether each can be described.
  using Verdicts = std::vector<std::pair<std::string, Result<void>>>;
  /// The results that a subscription gets from a look.
  struct News {
    /// Pass it to the next has_news.
    std::uint64_t count = 0;
    TopicLook::List list;
    std::optional<TopicLook::Failure> failure;
    Verdicts verdicts;
  };

  /// Makes a look that asks by requests of that client.
  [[nodiscard]] static std::shared_ptr<SharedLook> of(std::weak_ptr<Client::Shared> client,
                                                      std::chrono::milliseconds timeout);
  SharedLook(TopicLook::Settings settings, Means means)
      : timeout_(settings.timeout), means_(std::move(means)), look_(settings) {}

  /// Wakes a subscription when there is news, until it is destroyed. `wake` is called under the
  /// lock, on any thread. It must not call the SharedLook.
  class Member {
   public:
    Member(std::shared_ptr<SharedLook> look, std::function<void()> wake);
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    ~Member();

   private:
    const std::shared_ptr<SharedLook> look_;
    const std::uint64_t number_;
  };

  /// Whether anything has come since `count`. Takes no lock.
  [[nodiscard]] bool has_news(std::uint64_t count) const {
    return count_.load(std::memory_order_acquire) != count;
  }
  /// `names`: the topics whose verdicts are wanted. Those that are known are in the news.
  [[nodiscard]] News news(std::span<const std::string> names);
  /// Calls TopicLook::on_wanted, and asks if it is time. Returns when to call it again, unless
  /// there is news before.
  [[nodiscard]] TimePoint want(TimePoint newer_than, TimePoint now);
  /// Asks whether these can be described, unless another subscription has. Returns the answers that
  /// are known already; the others come as news.
  [[nodiscard]] Verdicts ask_about(std::span<const std::string> missing);
  /// Counts as news: a subscription has something else to take up.
  void call_members();

 private:
  using Lock = std::unique_lock<std::mutex>;

  /// Changes the decision, and notifies the members if that was news.
  template <class Change>
  void change(Change change_it) {
    const Lock lock(mutex_);
    const std::uint64_t before = look_.news();
    change_it(look_);
    if (look_.news() != before) tell(lock);
  }
  void tell(const Lock& lock);
  /// Under the lock.
  [[nodiscard]] Verdicts known(std::span<const std::string> names) const;
  void list(std::uint64_t look);
  void describe(std::vector<std::string> names);

  const std::chrono::milliseconds timeout_;
  const Means means_;
  std::atomic<std::uint64_t> count_{0};
  std::mutex mutex_;
  TopicLook look_;
  std::map<std::uint64_t, std::function<void()>> members_;
  std::uint64_t last_member_ = 0;
};

}  // namespace dohle::messaging
