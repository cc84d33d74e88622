#include "dohle/admin.hpp"

#include <utility>

#include "client/admin/admin_groups.hpp"
#include "client/admin/admin_offsets.hpp"
#include "client/admin/admin_topics.hpp"
#include "client/admin/make_admin.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/waiter.hpp"

namespace dohle::client {

class AdminCalls {
 public:
  explicit AdminCalls(std::shared_ptr<Client::Shared> client) : client_(std::move(client)) {}
  ~AdminCalls() {
    if (client_->is_forked()) keep_for_ever(std::move(client_));
  }

  /// Runs `start(cluster, timeout, promise)` on the loop and waits.
  template <class T, class Start>
  Result<T> wait_for(Admin::Milliseconds timeout, Start start) {
    if (auto usable = client_->check_usable(); !usable) return fail(usable.error());
    if (timeout.count() < 0) {
      return fail(Error::client(Errc::invalid_argument,
                                fmt::format("timeout: {} ms is negative", timeout.count())));
    }
    return client::wait_for<T>(
        client_->loop(),
        [client = client_, timeout, start = std::move(start)](client::Promise<T> promise) mutable {
          client::Cluster& cluster = client->cluster();
          const Duration most =
              timeout.count() > 0 ? call_timeout(timeout) : cluster.options().default_api_timeout;
          start(cluster, most, std::move(promise));
        });
  }

 private:
  std::shared_ptr<Client::Shared> client_;
};

namespace {

template <class T, class Start>
Result<T> admin_wait_for(AdminCalls* calls, Admin::Milliseconds timeout, Start start) {
  if (calls == nullptr) return fail(moved_from("the Admin"));
  return calls->wait_for<T>(timeout, std::move(start));
}

}  // namespace

}  // namespace dohle::client

namespace dohle {
inline namespace v0 {

namespace {

/// Puts the names beside the results.
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

std::vector<std::string> names_of(const std::vector<NewTopic>& topics) {
  std::vector<std::string> names;
  for (const NewTopic& topic : topics) names.push_back(topic.name);
  return names;
}

}  // namespace

Admin::Admin(std::shared_ptr<client::AdminCalls> core) : core_(std::move(core)) {}

Result<std::vector<Named<CreatedTopic>>> Admin::create_topics(std::vector<NewTopic> topics,
                                                              bool validate_only,
                                                              Milliseconds timeout) {
  auto names = names_of(topics);
  auto results = client::admin_wait_for<std::vector<Result<CreatedTopic>>>(
      core_.get(), timeout,
      [topics = std::move(topics), validate_only](client::Cluster& cluster, Duration most,
                                                  auto then) mutable {
        client::create_topics(cluster, std::move(topics), validate_only, most, std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<Named<void>>> Admin::delete_topics(std::vector<std::string> names,
                                                      Milliseconds timeout) {
  auto results = client::admin_wait_for<std::vector<Result<void>>>(
      core_.get(), timeout, [names](client::Cluster& cluster, Duration most, auto then) mutable {
        client::delete_topics(cluster, std::move(names), most, std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<TopicListing>> Admin::list_topics(Milliseconds timeout) {
  return client::admin_wait_for<std::vector<TopicListing>>(
      core_.get(), timeout, [](client::Cluster& cluster, Duration most, auto then) {
        client::list_topics(cluster, most, std::move(then));
      });
}

Result<std::vector<Named<TopicDescription>>> Admin::describe_topics(std::vector<std::string> names,
                                                                    Milliseconds timeout) {
  auto results = client::admin_wait_for<std::vector<Result<TopicDescription>>>(
      core_.get(), timeout, [names](client::Cluster& cluster, Duration most, auto then) mutable {
        client::describe_topics(cluster, std::move(names), most, std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<ConfigEntry>> Admin::describe_topic_config(std::string name,
                                                              Milliseconds timeout) {
  return client::admin_wait_for<std::vector<ConfigEntry>>(
      core_.get(), timeout,
      [name = std::move(name)](client::Cluster& cluster, Duration most, auto then) {
        client::describe_topic_config(cluster, name, most, std::move(then));
      });
}

Result<ClusterDescription> Admin::describe_cluster(Milliseconds timeout) {
  return client::admin_wait_for<ClusterDescription>(
      core_.get(), timeout, [](client::Cluster& cluster, Duration most, auto then) {
        client::describe_cluster(cluster, most, std::move(then));
      });
}

Result<std::vector<GroupListing>> Admin::list_groups(Milliseconds timeout) {
  return client::admin_wait_for<std::vector<GroupListing>>(
      core_.get(), timeout, [](client::Cluster& cluster, Duration most, auto then) {
        client::list_groups(cluster, most, std::move(then));
      });
}

Result<std::vector<Named<GroupDescription>>> Admin::describe_groups(std::vector<std::string> ids,
                                                                    Milliseconds timeout) {
  auto results = client::admin_wait_for<std::vector<Result<GroupDescription>>>(
      core_.get(), timeout, [ids](client::Cluster& cluster, Duration most, auto then) mutable {
        client::describe_groups(cluster, std::move(ids), most, std::move(then));
      });
  return named(std::move(ids), std::move(results));
}

Result<std::vector<Named<void>>> Admin::delete_groups(std::vector<std::string> ids,
                                                      Milliseconds timeout) {
  auto results = client::admin_wait_for<std::vector<Result<void>>>(
      core_.get(), timeout, [ids](client::Cluster& cluster, Duration most, auto then) mutable {
        client::delete_groups(cluster, std::move(ids), most, std::move(then));
      });
  return named(std::move(ids), std::move(results));
}

Result<std::vector<GroupOffset>> Admin::group_offsets(std::string id, Milliseconds timeout) {
  auto results = client::admin_wait_for<std::vector<Result<std::vector<GroupOffset>>>>(
      core_.get(), timeout,
      [id = std::move(id)](client::Cluster& cluster, Duration most, auto then) {
        client::group_offsets(cluster, id, most, std::move(then));
      });
  if (!results) return fail(results.error());
  return std::move(results->front());
}

Result<std::vector<OffsetAnswer>> Admin::list_offsets(std::vector<OffsetQuery> queries,
                                                      Milliseconds timeout) {
  auto results = client::admin_wait_for<std::vector<Result<OffsetAnswer::Found>>>(
      core_.get(), timeout, [&queries](client::Cluster& cluster, Duration most, auto then) {
        client::list_offsets(cluster, queries, most, std::move(then));
      });
  if (!results) return fail(results.error());
  std::vector<OffsetAnswer> answers;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    answers.push_back({std::move(queries[i].partition), std::move((*results)[i])});
  }
  return answers;
}

}  // namespace v0

Admin client::make_admin(std::shared_ptr<Client::Shared> core) {
  // Of a Client that was moved from.
  if (!core) return Admin(nullptr);
  return Admin(std::make_shared<client::AdminCalls>(std::move(core)));
}

}  // namespace dohle
