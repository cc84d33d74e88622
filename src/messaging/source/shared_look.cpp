#include "messaging/source/shared_look.hpp"

#include "base/assert.hpp"
#include "client/admin/admin_topics.hpp"
#include "messaging/reports/reports.hpp"

namespace dohle::messaging {

namespace {

/// The client, if it can still be asked.
Result<std::shared_ptr<Client::Shared>> usable(const std::weak_ptr<Client::Shared>& asked) {
  auto client = asked.lock();
  if (!client) return fail(Error::client(Errc::closed, "the client has ended"));
  if (auto checked = client->check_usable(); !checked) return fail(checked.error());
  return client;
}

/// Pairs names with results.
Result<std::vector<Named<TopicDescription>>> named(
    std::vector<std::string> names, Result<std::vector<Result<TopicDescription>>> results) {
  if (!results) return fail(results.error());
  DOHLE_ASSERT(names.size() == results->size(), "a call has not one outcome for each topic");
  std::vector<Named<TopicDescription>> all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    all.push_back({std::move(names[i]), std::move((*results)[i])});
  }
  return all;
}

}  // namespace

std::shared_ptr<SharedLook> SharedLook::of(std::weak_ptr<Client::Shared> client,
                                           std::chrono::milliseconds timeout) {
  Means means;
  means.list = [client](std::chrono::milliseconds most, Listed then) {
    auto asked = usable(client);
    if (!asked) return then(fail(asked.error()));
    Executor& loop = (*asked)->loop();
    loop.post([client = *std::move(asked), most, then = std::move(then)]() mutable {
      client::Cluster& cluster = client->cluster();
      client::list_topics(cluster, client::CallTime::from(cluster.now(), most), std::move(then));
    });
  };
  means.describe = [client](std::vector<std::string> names, std::chrono::milliseconds most,
                            Described then) {
    auto asked = usable(client);
    if (!asked) return then(fail(asked.error()));
    Executor& loop = (*asked)->loop();
    loop.post([client = *std::move(asked), names = std::move(names), most,
               then = std::move(then)]() mutable {
      client::Cluster& cluster = client->cluster();
      client::describe_topics(cluster, names, client::CallTime::from(cluster.now(), most),
                              [names, then = std::move(then)](
                                  Result<std::vector<Result<TopicDescription>>> results) mutable {
                                then(named(std::move(names), std::move(results)));
                              });
    });
  };
  return std::make_shared<SharedLook>(TopicLook::Settings{.timeout = timeout}, std::move(means));
}

SharedLook::Member::Member(std::shared_ptr<SharedLook> look, std::function<void()> wake)
    : look_(std::move(look)), number_([&] {
        const Lock lock(look_->mutex_);
        const std::uint64_t number = ++look_->last_member_;
        look_->members_.emplace(number, std::move(wake));
        return number;
      }()) {}

SharedLook::Member::~Member() {
  const Lock lock(look_->mutex_);
  look_->members_.erase(number_);
}

void SharedLook::tell(const Lock& lock) {
  DOHLE_ASSERT(lock.owns_lock(), "the news of a look is told without its lock");
  count_.fetch_add(1, std::memory_order_release);
  for (const auto& [_, wake] : members_) wake();
}

void SharedLook::call_members() {
  const Lock lock(mutex_);
  tell(lock);
}

SharedLook::News SharedLook::news(std::span<const std::string> names) {
  const Lock lock(mutex_);
  return {.count = count_.load(std::memory_order_relaxed),
          .list = look_.list(),
          .failure = look_.take_failure(),
          .verdicts = known(names)};
}

SharedLook::Verdicts SharedLook::known(std::span<const std::string> names) const {
  Verdicts found;
  for (const std::string& name : names) {
    if (const auto* verdict = look_.verdict(name)) found.emplace_back(name, *verdict);
  }
  return found;
}

TimePoint SharedLook::want(TimePoint newer_than, TimePoint now) {
  std::optional<std::uint64_t> begun;
  TimePoint again;
  change([&](TopicLook& look) {
    begun = look.on_wanted(newer_than, now);
    again = look.next_at();
  });
  if (begun) list(*begun);
  return again;
}

void SharedLook::list(std::uint64_t look) {
  means_.list(timeout_, [weak = weak_from_this(), look](Result<std::vector<TopicListing>> listed) {
    const auto self = weak.lock();
    if (!self) return;
    self->change([&](TopicLook& decision) {
      if (listed) {
        decision.on_list(look, *std::move(listed));
      } else {
        decision.on_failed(look, listed.error(), monotonic_now());
      }
    });
  });
}

SharedLook::Verdicts SharedLook::ask_about(std::span<const std::string> missing) {
  std::vector<std::string> names;
  Verdicts found;
  change([&](TopicLook& look) {
    names = look.on_missing(missing);
    found = known(missing);
  });
  if (!names.empty()) describe(std::move(names));
  return found;
}

void SharedLook::describe(std::vector<std::string> names) {
  means_.describe(names, timeout_,
                  [weak = weak_from_this(),
                   names](const Result<std::vector<Named<TopicDescription>>>& described) {
                    const auto self = weak.lock();
                    if (!self) return;
                    self->change([&](TopicLook& look) { look.on_described(names, described); });
                  });
}

}  // namespace dohle::messaging
