#include "dohle/admin.hpp"

#include <utility>

#include "client/admin_groups.hpp"
#include "client/admin_offsets.hpp"
#include "client/admin_topics.hpp"
#include "client/client_core.hpp"
#include "client/make_admin.hpp"
#include "client/waiter.hpp"

namespace dohle {
inline namespace v0 {

namespace detail {

class AdminCore {
 public:
  explicit AdminCore(std::shared_ptr<Client::Core> client) : client_(std::move(client)) {}

  /// Runs `start(engine, timeout, promise)` on the loop and waits.
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
          client::Engine& engine = client->engine();
          const Duration most =
              timeout.count() > 0 ? call_timeout(timeout) : engine.options().default_api_timeout;
          start(engine, most, std::move(promise));
        });
  }

 private:
  std::shared_ptr<Client::Core> client_;
};

}  // namespace detail

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

Admin::Admin(std::shared_ptr<detail::AdminCore> core) : core_(std::move(core)) {}

Result<std::vector<Named<CreatedTopic>>> Admin::create_topics(std::vector<NewTopic> topics,
                                                              bool validate_only,
                                                              Milliseconds timeout) {
  auto names = names_of(topics);
  auto results = core_->wait_for<std::vector<Result<CreatedTopic>>>(
      timeout, [topics = std::move(topics), validate_only](client::Engine& engine, Duration most,
                                                           auto then) mutable {
        client::create_topics(engine, std::move(topics), validate_only, most, std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<Named<void>>> Admin::delete_topics(std::vector<std::string> names,
                                                      Milliseconds timeout) {
  auto results = core_->wait_for<std::vector<Result<void>>>(
      timeout, [names](client::Engine& engine, Duration most, auto then) mutable {
        client::delete_topics(engine, std::move(names), most, std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<TopicListing>> Admin::list_topics(Milliseconds timeout) {
  return core_->wait_for<std::vector<TopicListing>>(
      timeout, [](client::Engine& engine, Duration most, auto then) {
        client::list_topics(engine, most, std::move(then));
      });
}

Result<std::vector<Named<TopicDescription>>> Admin::describe_topics(std::vector<std::string> names,
                                                                    Milliseconds timeout) {
  auto results = core_->wait_for<std::vector<Result<TopicDescription>>>(
      timeout, [names](client::Engine& engine, Duration most, auto then) mutable {
        client::describe_topics(engine, std::move(names), most, std::move(then));
      });
  return named(std::move(names), std::move(results));
}

Result<std::vector<ConfigEntry>> Admin::describe_topic_config(std::string name,
                                                              Milliseconds timeout) {
  return core_->wait_for<std::vector<ConfigEntry>>(
      timeout, [name = std::move(name)](client::Engine& engine, Duration most, auto then) {
        client::describe_topic_config(engine, name, most, std::move(then));
      });
}

Result<ClusterDescription> Admin::describe_cluster(Milliseconds timeout) {
  return core_->wait_for<ClusterDescription>(
      timeout, [](client::Engine& engine, Duration most, auto then) {
        client::describe_cluster(engine, most, std::move(then));
      });
}

Result<std::vector<GroupListing>> Admin::list_groups(Milliseconds timeout) {
  return core_->wait_for<std::vector<GroupListing>>(
      timeout, [](client::Engine& engine, Duration most, auto then) {
        client::list_groups(engine, most, std::move(then));
      });
}

Result<std::vector<Named<GroupDescription>>> Admin::describe_groups(std::vector<std::string> ids,
                                                                    Milliseconds timeout) {
  auto results = core_->wait_for<std::vector<Result<GroupDescription>>>(
      timeout, [ids](client::Engine& engine, Duration most, auto then) mutable {
        client::describe_groups(engine, std::move(ids), most, std::move(then));
      });
  return named(std::move(ids), std::move(results));
}

Result<std::vector<Named<void>>> Admin::delete_groups(std::vector<std::string> ids,
                                                      Milliseconds timeout) {
  auto results = core_->wait_for<std::vector<Result<void>>>(
      timeout, [ids](client::Engine& engine, Duration most, auto then) mutable {
        client::delete_groups(engine, std::move(ids), most, std::move(then));
      });
  return named(std::move(ids), std::move(results));
}

Result<std::vector<GroupOffset>> Admin::group_offsets(std::string id, Milliseconds timeout) {
  auto results = core_->wait_for<std::vector<Result<std::vector<GroupOffset>>>>(
      timeout, [id = std::move(id)](client::Engine& engine, Duration most, auto then) {
        client::group_offsets(engine, id, most, std::move(then));
      });
  if (!results) return fail(results.error());
  return std::move(results->front());
}

Result<std::vector<OffsetAnswer>> Admin::list_offsets(std::vector<OffsetQuery> queries,
                                                      Milliseconds timeout) {
  auto results = core_->wait_for<std::vector<Result<OffsetAnswer::Found>>>(
      timeout, [&queries](client::Engine& engine, Duration most, auto then) {
        client::list_offsets(engine, queries, most, std::move(then));
      });
  if (!results) return fail(results.error());
  std::vector<OffsetAnswer> answers;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    answers.push_back({std::move(queries[i].partition), std::move((*results)[i])});
  }
  return answers;
}

}  // namespace v0

Admin client::make_admin(std::shared_ptr<Client::Core> core) {
  return Admin(std::make_shared<detail::AdminCore>(std::move(core)));
}

}  // namespace dohle
