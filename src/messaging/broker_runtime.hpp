#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_deadline.hpp"
#include "base/fork_watch.hpp"
#include "base/timed_gate.hpp"
#include "client/produce/producer_group.hpp"
#include "dohle/broker.hpp"
#include "dohle/client.hpp"
#include "dohle/kafka.hpp"
#include "messaging/embedded/embedded_node.hpp"
#include "messaging/middleware/counting.hpp"
#include "messaging/options/settings.hpp"
#include "messaging/publish/balancers.hpp"
#include "messaging/publish/pipelines.hpp"
#include "messaging/reports/reports.hpp"
#include "messaging/requests/reply_readers.hpp"
#include "messaging/requests/request_desk.hpp"
#include "messaging/source/shared_look.hpp"
#include "messaging/subscribe/subscription.hpp"
#include "messaging/trace/tracing.hpp"
#include "telemetry/registry.hpp"

namespace dohle::messaging {

/// The state of a Broker: its options, client, producers and subscriptions.
class BrokerRuntime : public std::enable_shared_from_this<BrokerRuntime> {
 public:
  /// Makes the client. Client::create, or a function of the simulated world.
  using MakeClient = std::function<Result<Client>(ClientOptions)>;

  explicit BrokerRuntime(kafka::BrokerOptions options, MakeClient make_client = &Client::create);
  ~BrokerRuntime();

  [[nodiscard]] const kafka::BrokerOptions& options() const { return options_; }
  Result<void> apply(const std::vector<BrokerOption>& changes);
  Result<void> connect(std::chrono::milliseconds timeout);
  Result<Delivery> publish(std::string_view topic, Message message, const PublishOptions& options);
  /// Whether the Broker's options leave a publish of bytes without options of its own as it is:
  /// asynchronous, without a middleware and a header.
  [[nodiscard]] bool publishes_plainly() const { return publishes_plainly_; }
  /// Such a publish.
  Result<Delivery> publish_plainly(std::string_view topic, std::string_view body);
  Result<Delivery> publish(std::string_view topic, std::string_view body,
                           const PublishOptions& options);
  std::vector<Result<Delivery>> publish(std::string_view topic, std::span<const Message> messages,
                                        const PublishOptions& options);
  Result<std::shared_ptr<Subscription>> subscribe(Topics topics, SubscribeHandler handler,
                                                  SubscribeOptions options);
  Result<std::shared_ptr<Subscription>> subscribe_batch(Topics topics, BatchHandler handler,
                                                        SubscribeOptions options);
  /// The program takes the messages by Subscription::next.
  Result<std::shared_ptr<Subscription>> subscribe_pull(Topics topics, SubscribeOptions options);
  [[nodiscard]] MetricsSnapshot metrics();
  /// Sends a request; `receiver` is called exactly once if this succeeds.
  Result<void> request(std::string_view topic, Message message, const RequestOptions& options,
                       ReplyReceiver receiver);
  /// Sends a request, and waits for its reply, which `read` gets. Errors: also cancelled if a stop
  /// was requested.
  Result<void> request_and_wait(std::string_view topic, Message message,
                                const RequestOptions& options,
                                const std::function<void(RawEvent&)>& read,
                                const std::stop_token& stop);
  /// The handler of a reply subscription.
  [[nodiscard]] SubscribeHandler reply_handler(ReplyMaker maker);
  [[nodiscard]] RequestCounts request_counts();
  Result<FlushReport> flush(std::chrono::milliseconds timeout, const std::stop_token& stop);
  Result<FlushReport> disconnect(std::chrono::milliseconds timeout);
  void log_end(const Error& why);
  /// Sends all published messages and waits until each has an outcome. Failures count for the next
  /// flush. Errors: those of flush.
  Result<void> settle(std::chrono::milliseconds timeout);
  /// Its subscriptions that have not ended.
  [[nodiscard]] std::vector<std::shared_ptr<Subscription>> running();
  /// True on the client's own thread, which must not wait for itself.
  [[nodiscard]] bool is_client_thread() const;
  /// True there, and on a thread that runs functions of one of its subscriptions.
  [[nodiscard]] bool is_inside();
  /// True in a child of the process that it was made in. Any thread; check it before taking any
  /// lock.
  [[nodiscard]] bool is_forked() const { return made_in_.is_forked(); }
  /// Errors: not_connected, closed, forked.
  Result<Admin> admin();
  /// A further handle on the client. Errors: not_connected, closed, forked.
  Result<Client> client();

 private:
  Result<void> start_client(std::chrono::milliseconds timeout);
  /// The producer for this combination, made on first use: that of the topic, or that of all.
  Result<Pipelines::Handle> pipeline(const PipelineKey& key, std::string_view topic);
  void on_clients_thread(const std::function<void()>& task);
  Result<Producer> make_producer(const PipelineKey& key);
  [[nodiscard]] PipelineKey key_of(const PublishOptions& options) const;
  /// The topic whose pipeline a publish uses; empty for that of all topics.
  [[nodiscard]] std::string_view name_of_pipeline(std::string_view topic) const {
    return options_.enable_one_topic_one_writer ? topic : std::string_view();
  }
  /// Hears of the outcome beside the caller, if the message is accepted. May be null.
  using Observer = std::shared_ptr<DeliveryCallback>;
  /// Gives the record to its pipeline.
  Result<Delivery> pass_on(std::string_view topic, const Record& record,
                           const PublishOptions& options);
  Result<Delivery> pass_on(std::string_view topic, const Record& record,
                           const PublishOptions& options, const Observer& observer);
  /// Takes over the options that middlewares, counters and reports are made of.
  void take_options(kafka::BrokerOptions options);
  /// Calls `publish` and counts its result.
  template <class Publish>
  Result<Delivery> counted(const Publish& publish);
  Result<Delivery> publish_message(std::string_view topic, Message message,
                                   const PublishOptions& options);
  Result<Delivery> publish_body(std::string_view topic, std::string_view body,
                                const PublishOptions& options);
  /// Whether nothing is put around a publish: no middleware and no span.
  [[nodiscard]] bool is_bare(const PublishOptions& options) const {
    return options_.publish_middlewares.empty() && options.middlewares.empty() && !tracing_.tracer;
  }
  /// The middlewares of a subscription to that topic.
  [[nodiscard]] std::vector<SubscribeMiddleware> subscribe_middlewares(const std::string& topic,
                                                                       const std::string& group_id,
                                                                       const EventFilter& filter,
                                                                       Handing handing) const;
  [[nodiscard]] Tracing tracing(std::string group_id = {}) const {
    return {options_.tracer, options_.client_id, std::move(group_id)};
  }
  /// `deadline`: as of client::SendTerms.
  template <class Topic>
  Result<Delivery> pass_to(Producer& producer, const Topic& topic, const Record& record,
                           const PublishOptions& options,
                           const std::optional<CallDeadline>& deadline, const Observer& observer);
  /// Publishes inside a span, and through the middlewares.
  Result<Delivery> traced_publish(std::string_view topic, Message& message,
                                  const PublishOptions& options);
  Result<Delivery> through_middlewares(std::string_view topic, Message& message,
                                       const PublishOptions& options);
  /// `rest` has the values that the message itself lacks: key, headers, time, partition.
  Result<Delivery> send_message(std::string_view topic, const Message& message,
                                const PublishOptions& rest, const PublishOptions& options);
  Result<Delivery> send(std::string_view topic, const Record& record,
                        const PublishOptions& options);
  /// Errors: those of Delivery::wait, and the message's own.
  static Result<void> await(const Delivery& delivery,
                            std::optional<std::chrono::milliseconds> timeout);
  [[nodiscard]] bool is_async(const PublishOptions& options) const;
  /// Errors: handler_failed when a middleware throws or returns no handler.
  [[nodiscard]] static Result<SubscribeHandler> wrapped(
      SubscribeHandler handler, const std::vector<SubscribeMiddleware>& outer,
      const SubscribeOptions& options);
  /// The producer of a subscription's retry records and dead letters.
  Result<std::unique_ptr<Outbox>> make_outbox();
  enum class Middlewares : bool { none, all };
  Result<std::shared_ptr<Subscription>> subscribe(Topics topics, SubscribeHandler handler,
                                                  SubscribeOptions options, Middlewares around,
                                                  BatchHandler batch_handler = nullptr,
                                                  Handing handing = Handing::events,
                                                  std::function<void()> on_replaced = nullptr);
  /// The handler of batches inside the middlewares of the library and of the program. Errors: those
  /// of wrapped.
  [[nodiscard]] Result<BatchCall> batch_call(BatchHandler handler, const std::string& topic,
                                             const std::string& group_id,
                                             const SubscribeOptions& options) const;
  void make_requests();
  [[nodiscard]] std::shared_ptr<RequestDesk> requests();
  [[nodiscard]] Result<PartitionId> reply_partition(
      const std::string& topic, const std::optional<ReplyTopicCreation>& creation,
      const CallDeadline& deadline);
  /// Sends a request whose timeout begins now. `add` puts it among those that wait for a reply.
  /// `waits` says that the caller then waits for it. Absent: the receiver was called meanwhile.
  using AddRequest = std::function<Result<CorrelationId>(RequestDesk& all, std::string what)>;
  Result<std::optional<CorrelationId>> send_request(std::string_view topic, Message message,
                                                    const RequestOptions& options,
                                                    const CallDeadline& deadline, bool waits,
                                                    const AddRequest& add);
  [[nodiscard]] std::chrono::milliseconds timeout_of(const RequestOptions& options) const {
    return options.timeout.value_or(options_.request_timeout);
  }
  [[nodiscard]] Timestamp wall_now() const;
  /// Sends the batches early that a request may be in.
  void hurry(std::string_view topic, const PublishOptions& options);
  void note_other_partitions(Admin& cluster, const AutoCreateTopic& create);
  Result<void> end_subscriptions(const CallDeadline& deadline);
  Result<FlushReport> flush_until(const CallDeadline& deadline, const std::stop_token& stop);
  Result<FlushReport> close_producers(const CallDeadline& deadline);
  Result<FlushReport> with_forgotten(Result<FlushReport> report);
  Result<void> close_rest(const CallDeadline& deadline);

  kafka::BrokerOptions options_;
  Acks default_acks_;
  const MakeClient make_client_;
  /// Null if nothing is counted. init replaces it, under mutex_.
  std::shared_ptr<telemetry::Registry> metrics_;
  std::optional<PublishCounters> publish_counters_;
  bool publishes_plainly_ = false;
  /// The pipeline key of a publish without options.
  PipelineKey plain_key_;
  /// It makes the spans of publishes; without a tracer they have none.
  Tracing tracing_;
  std::shared_ptr<messaging::Reports> reports_;

  /// Held through connect and disconnect; taken before mutex_.
  TimedGate lifecycle_;
  std::mutex mutex_;
  std::unique_ptr<messaging::EmbeddedNode> node_;
  /// Set by connect; it then stays until the end.
  std::optional<Client> client_;
  std::shared_ptr<BalancerMemories> balancers_;
  /// The memory of all producers. Null: each has its own.
  std::shared_ptr<client::ProducerGroup> group_;
  Pipelines pipelines_;
  std::vector<std::weak_ptr<Subscription>> subscriptions_;
  /// These three are made with the client.
  std::shared_ptr<SharedLook> topic_look_;
  std::shared_ptr<RequestDesk> requests_;
  std::shared_ptr<ReplyReaders> reply_readers_;
  std::atomic<bool> is_connected_ = false;
  std::atomic<bool> is_closing_ = false;
  std::atomic<bool> is_gone_ = false;
  const ForkMark made_in_;
};

}  // namespace dohle::messaging
