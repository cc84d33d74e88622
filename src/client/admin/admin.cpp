#include "dohle/admin.hpp"

#include <chrono>
#include <optional>
#include <utility>

#include "client/admin/admin_groups.hpp"
#include "client/admin/admin_offsets.hpp"
#include "client/admin/admin_topics.hpp"
#include "client/admin/admin_users.hpp"
#include "client/admin/make_admin.hpp"
#include "client/cluster/call_time.hpp"
#include "client/cluster/handle_access.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/waiter.hpp"

namespace dohle::client {

/// If absent: the client's default_api_timeout.
using Timeout = std::optional<std::chrono::milliseconds>;

class AdminCalls {
 public:
  explicit AdminCalls(std::shared_ptr<Client::Shared> client) : client_(std::move(client)) {}
  ~AdminCalls() {
    if (client_->is_forked()) keep_for_ever(std::move(client_));
  }

  /// Runs `start(cluster, time, promise)` on the loop and waits.
  template <class T, class Start>
  Result<T> wait_for(Timeout timeout, Start start) {
    if (auto usable = client_->check_usable(); !usable) return fail(usable.error());
    if (timeout && timeout->count() < 0) {
      return fail(Error::client(Errc::invalid_argument,
                                fmt::format("timeout: {} ms is negative", timeout->count())));
    }
    const Duration most = timeout ? call_timeout(*timeout) : client_->default_api_timeout();
    const CallDeadline deadline(client_->environment().clock, most);
    const auto time = std::make_shared<CallTime>(deadline, most);
    return client::wait_for<T>(
        client_->loop(), deadline, {},
        [client = client_, time, start = std::move(start)](client::Promise<T> promise) mutable {
          start(client->cluster(), time, std::move(promise));
        },
        [client = client_, time](CallEnd) { time->end(); });
  }

 private:
  std::shared_ptr<Client::Shared> client_;
};

namespace {

template <class T, class Start>
Result<T> admin_wait_for(AdminCalls* calls, Timeout timeout, Start start) {
  if (calls == nullptr) return fail(moved_from("the Admin"));
  return calls->wait_for<T>(timeout, std::move(start));
}

}  // namespace

}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

namespace {

/// Pairs names with results.
template <class T>
Result<std::vector<Named<T>>> named(std::vector<std::string> names,
                                    Result<std::vector<Result<T>>> results) {
  if (!results) return fail(results.error());
  std::vector<Named<T>> all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    all.push_back({std::move(names[i]), std::move((*results)[i])});
  }
  return all;
}

std::vector<std::string> names_of(const auto& items) {
  std::vector<std::string> names;
  for (const auto& item : items) names.push_back(item.name);
  return names;
}

}  // namespace

std::string_view to_string(GroupType type) {
  switch (type) {
    case GroupType::unknown:
      return "unknown";
    case GroupType::classic:
      return "classic";
    case GroupType::consumer:
      return "consumer";
    case GroupType::share:
      return "share";
  }
  return "unknown";
}

Admin::Admin(std::shared_ptr<client::AdminCalls> inside) : inside_(std::move(inside)) {}

Result<std::vector<Named<CreatedTopic>>> Admin::create_topics(std::vector<NewTopic> topics,
                                                              CreateTopicsOptions options) {
  auto names = names_of(topics);
  auto results = client::admin_wait_for<std::vector<Result<CreatedTopic>>>(
      inside_.get(), options.timeout,
      [topics = std::move(topics), validate_only = options.validate_only](
          client::Cluster& cluster, client::SharedCallTime time, auto then) mutable {
        client::create_topics(cluster, std::move(topics), validate_only, std::move(time),
                              std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<Named<void>>> Admin::create_partitions(std::vector<NewPartitions> partitions,
                                                          CreatePartitionsOptions options) {
  std::vector<std::string> names;
  for (const NewPartitions& each : partitions) names.push_back(each.topic);
  auto results = client::admin_wait_for<std::vector<Result<void>>>(
      inside_.get(), options.timeout,
      [partitions = std::move(partitions), validate_only = options.validate_only](
          client::Cluster& cluster, client::SharedCallTime time, auto then) mutable {
        client::create_partitions(cluster, std::move(partitions), validate_only, std::move(time),
                                  std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<Named<void>>> Admin::delete_topics(std::vector<std::string> names,
                                                      CallOptions options) {
  auto results = client::admin_wait_for<std::vector<Result<void>>>(
      inside_.get(), options.timeout,
      [names](client::Cluster& cluster, client::SharedCallTime time, auto then) mutable {
        client::delete_topics(cluster, std::move(names), std::move(time), std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<TopicListing>> Admin::list_topics(CallOptions options) {
  return client::admin_wait_for<std::vector<TopicListing>>(
      inside_.get(), options.timeout,
      [](client::Cluster& cluster, client::SharedCallTime time, auto then) {
        client::list_topics(cluster, std::move(time), std::move(then));
      });
}

Result<std::vector<Named<TopicDescription>>> Admin::describe_topics(std::vector<std::string> names,
                                                                    CallOptions options) {
  auto results = client::admin_wait_for<std::vector<Result<TopicDescription>>>(
      inside_.get(), options.timeout,
      [names](client::Cluster& cluster, client::SharedCallTime time, auto then) mutable {
        client::describe_topics(cluster, std::move(names), std::move(time), std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<Named<std::vector<ConfigEntry>>>> Admin::describe_configs(
    std::vector<ConfigResource> resources, CallOptions options) {
  std::vector<std::string> names;
  for (const ConfigResource& resource : resources) names.push_back(resource.name);
  auto results = client::admin_wait_for<std::vector<Result<std::vector<ConfigEntry>>>>(
      inside_.get(), options.timeout,
      [resources = std::move(resources)](client::Cluster& cluster, client::SharedCallTime time,
                                         auto then) mutable {
        client::describe_configs(cluster, std::move(resources), std::move(time), std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<ClusterDescription> Admin::describe_cluster(CallOptions options) {
  return client::admin_wait_for<ClusterDescription>(
      inside_.get(), options.timeout,
      [](client::Cluster& cluster, client::SharedCallTime time, auto then) {
        client::describe_cluster(cluster, std::move(time), std::move(then));
      });
}

Result<std::vector<GroupListing>> Admin::list_groups(CallOptions options) {
  return client::admin_wait_for<std::vector<GroupListing>>(
      inside_.get(), options.timeout,
      [](client::Cluster& cluster, client::SharedCallTime time, auto then) {
        client::list_groups(cluster, std::move(time), std::move(then));
      });
}

Result<std::vector<Named<GroupDescription>>> Admin::describe_groups(std::vector<std::string> ids,
                                                                    CallOptions options) {
  auto results = client::admin_wait_for<std::vector<Result<GroupDescription>>>(
      inside_.get(), options.timeout,
      [ids](client::Cluster& cluster, client::SharedCallTime time, auto then) mutable {
        client::describe_groups(cluster, std::move(ids), std::move(time), std::move(then));
      });
  return named(std::move(ids), std::move(results));
}

Result<std::vector<Named<void>>> Admin::delete_groups(std::vector<std::string> ids,
                                                      CallOptions options) {
  auto results = client::admin_wait_for<std::vector<Result<void>>>(
      inside_.get(), options.timeout,
      [ids](client::Cluster& cluster, client::SharedCallTime time, auto then) mutable {
        client::delete_groups(cluster, std::move(ids), std::move(time), std::move(then));
      });
  return named(std::move(ids), std::move(results));
}

Result<std::vector<GroupOffset>> Admin::group_offsets(std::string id, CallOptions options) {
  auto results = client::admin_wait_for<std::vector<Result<std::vector<GroupOffset>>>>(
      inside_.get(), options.timeout,
      [id = std::move(id)](client::Cluster& cluster, client::SharedCallTime time, auto then) {
        client::group_offsets(cluster, id, std::move(time), std::move(then));
      });
  if (!results) return fail(results.error());
  return std::move(results->front());
}

Result<std::vector<OffsetAnswer>> Admin::list_offsets(std::vector<OffsetQuery> queries,
                                                      CallOptions options) {
  auto results = client::admin_wait_for<std::vector<Result<OffsetAnswer::Found>>>(
      inside_.get(), options.timeout,
      [&queries](client::Cluster& cluster, client::SharedCallTime time, auto then) {
        client::list_offsets(cluster, queries, std::move(time), std::move(then));
      });
  if (!results) return fail(results.error());
  std::vector<OffsetAnswer> answers;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    answers.push_back({std::move(queries[i].partition), std::move((*results)[i])});
  }
  return answers;
}

Result<std::vector<Named<void>>> Admin::set_scram_users(std::vector<NewScramUser> users,
                                                        CallOptions options) {
  if (auto checked = client::check_new_users(users); !checked) return fail(checked.error());
  auto names = names_of(users);
  auto results = client::admin_wait_for<std::vector<Result<void>>>(
      inside_.get(), options.timeout,
      [users = std::move(users)](client::Cluster& cluster, client::SharedCallTime time,
                                 auto then) mutable {
        client::set_scram_users(cluster, std::move(users), std::move(time), std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<Named<void>>> Admin::delete_scram_users(std::vector<ScramUser> users,
                                                           CallOptions options) {
  if (auto checked = client::check_users_to_delete(users); !checked) return fail(checked.error());
  auto names = names_of(users);
  auto results = client::admin_wait_for<std::vector<Result<void>>>(
      inside_.get(), options.timeout,
      [users = std::move(users)](client::Cluster& cluster, client::SharedCallTime time,
                                 auto then) mutable {
        client::delete_scram_users(cluster, std::move(users), std::move(time), std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<ScramUser>> Admin::list_scram_users(CallOptions options) {
  return client::admin_wait_for<std::vector<ScramUser>>(
      inside_.get(), options.timeout,
      [](client::Cluster& cluster, client::SharedCallTime time, auto then) {
        client::list_scram_users(cluster, std::move(time), std::move(then));
      });
}

}  // namespace v0

Admin client::make_admin(std::shared_ptr<Client::Shared> client) {
  // The client was moved from.
  if (!client) return client::HandleAccess::make<Admin>(std::shared_ptr<client::AdminCalls>());
  return client::HandleAccess::make<Admin>(std::make_shared<client::AdminCalls>(std::move(client)));
}

}  // namespace dohle
