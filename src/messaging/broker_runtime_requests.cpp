// Requests of a broker, and its replies to those of others.
#include <functional>
#include <utility>

#include "base/broker_errors.hpp"
#include "client/cluster/handle_access.hpp"
#include "client/cluster/shared_client.hpp"
#include "client/cluster/waiter.hpp"
#include "client/produce/record_sender.hpp"
#include "dohle/detail/stopped.hpp"
#include "messaging/broker_calls.hpp"
#include "messaging/broker_runtime.hpp"
#include "messaging/options/settings.hpp"
#include "messaging/publish/publish_chain.hpp"
#include "messaging/reports/thrown_by.hpp"
#include "messaging/requests/request_headers.hpp"
#include "messaging/requests/responder.hpp"

namespace dohle::messaging {

using std::chrono::milliseconds;

namespace {

/// The partitions of a topic in use. 0 if they are not known.
std::int32_t known_partitions(const std::shared_ptr<Client::Shared>& client,
                              const std::string& topic) {
  if (!client) return 0;
  const auto count = client::wait_for<std::int32_t>(client->loop(), [client, topic](auto promise) {
    const client::TopicView* const known = client->cluster().view().topic(topic);
    promise(known == nullptr ? 0 : static_cast<std::int32_t>(known->partitions.size()));
  });
  return count ? *count : 0;
}

/// Brings the reply to its waiting caller, whose `read` it uses.
ReplyReceiver told(std::shared_ptr<client::Waiter<void>> waiter,
                   const std::function<void(RawEvent&)>& read) {
  return [waiter = std::move(waiter), &read](RawEvent* reply, const Error* failure) {
    Result<void> outcome;
    try {
      if (reply != nullptr) read(*reply);
    } catch (...) {
      outcome = fail(messaging::thrown_by("the codec of a reply"));
    }
    if (failure != nullptr) outcome = fail(*failure);
    waiter->deliver(std::move(outcome));
  };
}

}  // namespace

void BrokerRuntime::make_requests() {
  const auto& client = client::HandleAccess::insides(*client_);
  requests_ =
      std::make_shared<RequestDesk>(seed_of(client), options_.max_requests, client, reports_);
  ReplyReaders::Means means;
  means.choose_partition =
      [this](const std::string& topic, const std::optional<ReplyTopicCreation>& creation,
             const CallDeadline& deadline) { return reply_partition(topic, creation, deadline); };
  means.subscribe = [this](const std::string& topic, PartitionId partition,
                           std::function<void()> on_replaced) {
    SubscribeHandler handler = [requests = requests_](RawEvent& reply) {
      requests->on_reply(reply);
      return Result<void>();
    };
    return subscribe(topic, std::move(handler),
                     SubscribeOptions{.group_id = "",
                                      .max_retries = 0,
                                      .failure_policy = FailurePolicy::skip,
                                      .partition = partition,
                                      .start_offset = StartOffset::last()},
                     Middlewares::none, nullptr, Handing::events, std::move(on_replaced));
  };
  means.known_partitions = [client = std::weak_ptr(client)](const std::string& topic) {
    return known_partitions(client.lock(), topic);
  };
  reply_readers_ = std::make_shared<ReplyReaders>(std::move(means));
}

std::shared_ptr<RequestDesk> BrokerRuntime::requests() {
  const std::lock_guard lock(mutex_);
  return requests_;
}

Timestamp BrokerRuntime::wall_now() const {
  return client::HandleAccess::insides(*client_)->environment().clock.wall();
}

Result<PartitionId> BrokerRuntime::reply_partition(
    const std::string& topic, const std::optional<ReplyTopicCreation>& creation,
    const CallDeadline& deadline) {
  auto cluster = admin();
  if (!cluster) return fail(cluster.error());
  std::int32_t partitions = 0;
  if (creation) {
    const auto was_there = messaging::create_topic(*cluster, topic, creation->partitions,
                                                   creation->replication_factor, deadline.left());
    if (!was_there) return fail(was_there.error());
    // The servers learn of a new topic with a delay.
    if (!*was_there) partitions = creation->partitions;
  }
  if (partitions <= 0) {
    const auto described = cluster->describe_topics({topic}, {.timeout = deadline.left()});
    if (!described) return fail(described.error());
    const auto& found = described->front().result;
    if (!found && found.error().is_broker(broker_error::unknown_topic_or_partition)) {
      return fail(Error::client(Errc::no_such_topic,
                                "it does not exist; create it, or let the first request do so by "
                                "create_reply_topic"));
    }
    if (!found) return fail(found.error());
    partitions = static_cast<std::int32_t>(found->partitions.size());
    if (partitions == 0) {
      return fail(Error::client(Errc::malformed, "the server describes it without partitions"));
    }
  }
  const std::uint64_t chance = seed_of(client::HandleAccess::insides(*client_));
  return PartitionId{static_cast<std::int32_t>(chance % static_cast<std::uint64_t>(partitions))};
}

void BrokerRuntime::hurry(std::string_view topic, const PublishOptions& options) {
  const bool by_topic = options_.enable_one_topic_one_writer;
  const auto found = pipelines_.find(key_of(options), by_topic ? topic : std::string_view());
  if (found) client::sender_of(found->producer)->hurry_all();
}

Result<void> BrokerRuntime::request(std::string_view topic, Message message,
                                    const RequestOptions& options, ReplyReceiver receiver) {
  const CallDeadline deadline = deadline_in(timeout_of(options));
  const auto sent = send_request(
      topic, std::move(message), options, deadline, false, [&](RequestDesk& all, std::string what) {
        return all.add(deadline.at(), std::move(what), std::move(receiver));
      });
  if (!sent) return fail(sent.error());
  return {};
}

Result<void> BrokerRuntime::request_and_wait(std::string_view topic, Message message,
                                             const RequestOptions& options,
                                             const std::function<void(RawEvent&)>& read,
                                             const std::stop_token& stop) {
  const auto unsent = [] { return fail(stopped("the request was not sent")); };
  if (stop.stop_requested()) return unsent();
  const CallDeadline deadline = deadline_in(timeout_of(options));
  const auto waiter = std::make_shared<client::Waiter<void>>();
  const auto sent = send_request(topic, std::move(message), options, deadline, true,
                                 [&](RequestDesk& all, std::string what) -> Result<CorrelationId> {
                                   if (stop.stop_requested()) return unsent();
                                   return all.add(never, std::move(what), told(waiter, read));
                                 });
  if (!sent) return fail(sent.error());
  if (auto outcome = waiter->wait_until(&deadline, stop)) return *std::move(outcome);
  // Otherwise its receiver is being called, which uses `read`.
  if (*sent) {
    const auto all = requests();
    if (stop.stop_requested() && all->forget(**sent)) {
      return fail(stopped("a reply is not awaited any more").with_stored(Stored::possibly));
    }
    if (const auto late = all->expire(**sent)) return fail(*late);
  }
  return waiter->wait();
}

Result<std::optional<CorrelationId>> BrokerRuntime::send_request(
    std::string_view topic, Message message, const RequestOptions& options,
    const CallDeadline& deadline, bool waits, const AddRequest& add) {
  if (!is_connected_) return fail(not_connected());
  if (is_closing_) return fail(disconnected());
  if (auto checked = messaging::check(options); !checked) return fail(checked.error());
  const bool may_wait = !is_client_thread() && !reply_readers_->is_inside();
  if (waits && !may_wait) {
    return fail(
        Error::client(Errc::would_deadlock,
                      "a request on the client's thread, or in the callback of another one, "
                      "would wait for itself"));
  }
  RequestHeaders headers;
  headers.deadline = Timestamp{wall_now().value + timeout_of(options).count()};
  headers.reply_topic = messaging::reply_topic(options, options_);
  const auto& creation =
      options.create_reply_topic ? options.create_reply_topic : options_.create_reply_topic;
  const auto partition =
      reply_readers_->partition_of(headers.reply_topic, creation, deadline, may_wait);
  if (!partition) return fail(partition.error());
  headers.reply_partition = *partition;

  const auto all = requests();
  const auto id = add(*all, "the request to topic " + std::string(topic));
  if (!id) return fail(id.error());
  headers.correlation = id->bytes();
  set_headers(headers, message);
  PublishOptions sending = options.publish;
  // They would follow those of the message, and some readers take the last one.
  remove_headers(sending.headers);
  sending.async = true;
  sending.callback = [all, id = *id](const Result<Receipt>& receipt) {
    if (!receipt) all->on_unsent(id, receipt.error());
  };
  const auto sent = publish(topic, std::move(message), sending);
  if (sent) {
    hurry(topic, sending);
    return *id;
  }
  // Otherwise the receiver has had its deadline already.
  if (all->forget(*id)) return fail(sent.error());
  return std::nullopt;
}

SubscribeHandler BrokerRuntime::reply_handler(ReplyMaker maker) {
  ResponderMeans means;
  means.publish = [weak = weak_from_this()](std::string_view topic, Message reply) -> Result<void> {
    const auto self = weak.lock();
    if (!self) return fail(disconnected());
    const auto stored = self->publish(topic, std::move(reply), PublishOptions{.async = false});
    if (!stored) return fail(stored.error());
    return {};
  };
  means.now = [weak = weak_from_this()] {
    const auto self = weak.lock();
    return self ? self->wall_now() : Timestamp{};
  };
  means.counts = requests();
  means.reports = reports_;
  return responder(std::move(maker), std::move(means));
}

RequestCounts BrokerRuntime::request_counts() {
  const auto all = requests();
  return all ? all->counts() : RequestCounts{};
}

}  // namespace dohle::messaging
