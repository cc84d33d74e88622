#include "dohle/broker.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fork_watch.hpp"
#include "dohle/detail/shared_handler.hpp"
#include "messaging/broker_access.hpp"
#include "messaging/broker_runtime.hpp"
#include "messaging/options/skipped_option.hpp"
#include "messaging/publish/publish_chain.hpp"

namespace dohle {
inline namespace v0 {

namespace {

/// Runs before any lock: in a forked child, a thread that does not exist there may hold it.
Result<void> check(const messaging::BrokerRuntime* runtime) {
  if (runtime == nullptr) {
    return fail(Error::client(Errc::closed, "the Broker was moved from"));
  }
  if (runtime->is_forked()) {
    return fail(
        Error::client(Errc::forked, "a broker cannot be used after fork() in the child process"));
  }
  return {};
}

/// The codec of text and bytes.
constexpr const auto& raw = messaging::codec_names<std::string>;

/// Encodes the key that `options` hold as a value, of a message with these headers.
Result<void> encode_key(std::string_view topic, std::span<const Header> headers,
                        PublishOptions& options) {
  if (!options.key_encoder) return {};
  if (options.key) {
    return fail(Error::configuration("key and key_encoder are both set; a message has one key"));
  }
  const CodecContext context{.topic = topic, .is_key = true, .headers = CodecHeaders(headers)};
  return options.key_encoder(context, options.key.emplace());
}
Result<void> encode_key(std::string_view topic, PublishOptions& options) {
  return encode_key(topic, options.headers, options);
}
/// A message's own key takes precedence.
Result<void> encode_key(std::string_view topic, const Message& message, PublishOptions& options) {
  if (message.key()) options.key_encoder = nullptr;
  if (!options.key_encoder) return {};
  std::vector<Header> headers = message.headers();
  headers.insert(headers.end(), options.headers.begin(), options.headers.end());
  return encode_key(topic, headers, options);
}

bool has_content_type(const std::vector<Header>& headers) {
  return std::ranges::any_of(
      headers, [](const Header& header) { return header.name == messaging::content_type_header; });
}

/// The body of a Message is bytes.
Result<void> check_body_options(const PublishOptions& options) {
  if (!options.body_codec.empty() && options.body_codec != raw[0].name) {
    return fail(Error::configuration("body_codec is " + options.body_codec +
                                     "; a Message is published as it is, with the codec raw"));
  }
  if (options.content_type == true) {
    return fail(Error::configuration(
        "content_type is true; a Message has its own headers: set content-type with with_header"));
  }
  return {};
}

/// The codec that the options choose, with its content-type among the headers if that is asked for.
template <class Codecs>
Result<std::size_t> choose_encoding(Codecs codecs, PublishOptions& options,
                                    const kafka::BrokerOptions& broker) {
  const bool is_own = !options.body_codec.empty();
  const std::string& name = is_own ? options.body_codec : broker.codec;
  // Without a name the first codec applies.
  Result<std::size_t> place{0};
  if (!name.empty()) place = messaging::choose_codec(codecs, name, is_own ? "body_codec" : "codec");
  if (!place) return place;
  if (options.content_type.value_or(broker.content_type) && !has_content_type(options.headers)) {
    options.headers.push_back({std::string(messaging::content_type_header),
                               std::string(messaging::name_in(codecs[*place]).content_type)});
  }
  return place;
}

/// The request as it is published: encoded, with its key.
Result<Message> request_message(std::string_view topic, const messaging::RequestBody& body,
                                RequestOptions& options, const kafka::BrokerOptions& broker) {
  PublishOptions& publish = options.publish;
  if (!publish.body_codec.empty()) {
    return fail(Error::configuration(
        "publish.body_codec is set; the codec of a request is named by body_codec"));
  }
  publish.body_codec = options.body_codec.empty() ? broker.request_body_codec : options.body_codec;
  Message message;
  if (body.message != nullptr) {
    if (options.body_codec.empty()) publish.body_codec.clear();
    if (auto checked = check_body_options(publish); !checked) return fail(checked.error());
    message = *body.message;
  } else {
    const auto chosen = choose_encoding(body.encodings, publish, broker);
    if (!chosen) return fail(chosen.error());
    const CodecContext context{.topic = topic, .headers = CodecHeaders(publish.headers)};
    std::string bytes;
    if (auto done = body.encodings[*chosen].encode(body.value, context, bytes); !done) {
      return fail(done.error());
    }
    message.with_body(std::move(bytes));
  }
  publish.body_codec.clear();
  if (auto keyed = encode_key(topic, message, publish); !keyed) return fail(keyed.error());
  return message;
}

}  // namespace

Broker::Broker(std::shared_ptr<messaging::BrokerRuntime> inside) : inside_(std::move(inside)) {}
Broker::Broker(Broker&&) noexcept = default;

Broker& Broker::operator=(Broker&& other) noexcept {
  if (this == &other) return *this;
  const Broker ended(std::move(*this));
  inside_ = std::move(other.inside_);
  return *this;
}

Broker::~Broker() {
  if (!inside_) return;
  if (inside_->is_forked()) {
    keep_for_ever(std::move(inside_));
    return;
  }
  auto ended = inside_->disconnect(std::chrono::seconds(5));
  if (!ended) inside_->log_end(ended.error());
}

std::string_view Broker::name() const {
  return "kafka";
}
const kafka::BrokerOptions& Broker::options() const {
  static const kafka::BrokerOptions none;
  return inside_ ? inside_->options() : none;
}

std::string Broker::address() const {
  std::string joined;
  if (!inside_) return joined;
  for (const std::string& address : options().addresses) {
    if (!joined.empty()) joined += ",";
    joined += address;
  }
  return joined;
}

Result<void> Broker::apply(std::vector<BrokerOption> options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->apply(options);
}
Result<void> Broker::connect(std::chrono::milliseconds timeout) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->connect(timeout);
}

Result<Delivery> Broker::publish(std::string_view topic, Message message, PublishOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  if (auto checked = check_body_options(options); !checked) return fail(checked.error());
  if (auto keyed = encode_key(topic, message, options); !keyed) return fail(keyed.error());
  return inside_->publish(topic, std::move(message), options);
}

Result<Delivery> Broker::publish(std::string_view topic, std::string_view body) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  if (inside_->publishes_plainly()) return inside_->publish_plainly(topic, body);
  return publish(topic, body, PublishOptions());
}

Result<Delivery> Broker::publish(std::string_view topic, std::string_view body,
                                 PublishOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  const auto chosen = choose_encoding(std::span(raw), options, inside_->options());
  if (!chosen) return fail(chosen.error());
  if (auto keyed = encode_key(topic, options); !keyed) return fail(keyed.error());
  return inside_->publish(topic, body, options);
}

std::vector<Result<Delivery>> Broker::publish(std::string_view topic,
                                              std::span<const Message> messages,
                                              PublishOptions options) {
  auto usable = check(inside_.get());
  if (usable) {
    messaging::skip_option(options);
    usable = check_body_options(options);
  }
  if (usable) usable = encode_key(topic, options);
  if (!usable) return messaging::each_fails(messages.size(), usable.error());
  return inside_->publish(topic, messages, options);
}

Result<Delivery> Broker::publish_encoded(std::string_view topic,
                                         std::span<const messaging::Encoding> encodings,
                                         const void* value, PublishOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  const auto chosen = choose_encoding(encodings, options, inside_->options());
  if (!chosen) return fail(chosen.error());
  if (auto keyed = encode_key(topic, options); !keyed) return fail(keyed.error());
  // Moved out, not used in place: a codec or a middleware may publish too.
  thread_local std::string kept;
  std::string body = std::exchange(kept, {});
  body.clear();
  const CodecContext context{.topic = topic, .headers = CodecHeaders(options.headers)};
  if (auto encoded = encodings[*chosen].encode(value, context, body); !encoded) {
    return fail(encoded.error());
  }
  auto published = inside_->publish(topic, std::string_view(body), options);
  kept = std::move(body);
  return published;
}

Result<messaging::DecodingChoice> Broker::choose_decoding(
    std::span<const messaging::CodecName> codecs, const SubscribeOptions& given) const {
  // A Message has no codec.
  if (codecs.empty()) return messaging::DecodingChoice{};
  // skip_option changes it in the build that leaves rows of the tables out.
  SubscribeOptions own = given;  // NOLINT(performance-unnecessary-copy-initialization)
  messaging::skip_option(own);
  const kafka::BrokerOptions& broker = options();
  const auto usual = messaging::choose_codec(codecs, own.codec.value_or(broker.codec), "codec");
  if (!usual) return fail(usual.error());
  return messaging::DecodingChoice{
      .usual = *usual, .by_content_type = own.content_type.value_or(broker.content_type)};
}

Result<void> Broker::send_request_body(std::string_view topic, const messaging::RequestBody& body,
                                       RequestOptions options, messaging::ReplyReceiver receiver) {
  if (auto usable = check(inside_.get()); !usable) return usable;
  messaging::skip_option(options);
  auto message = request_message(topic, body, options, inside_->options());
  if (!message) return fail(message.error());
  return inside_->request(topic, *std::move(message), options, std::move(receiver));
}

Result<void> Broker::request_body_and_wait(std::string_view topic,
                                           const messaging::RequestBody& body,
                                           RequestOptions options,
                                           const std::function<void(RawEvent&)>& read,
                                           const std::stop_token& stop) {
  if (auto usable = check(inside_.get()); !usable) return usable;
  messaging::skip_option(options);
  auto message = request_message(topic, body, options, inside_->options());
  if (!message) return fail(message.error());
  return inside_->request_and_wait(topic, *std::move(message), options, read, stop);
}

Result<Subscriber> Broker::reply_raw(Topics topics, messaging::ReplyMaker maker,
                                     SubscribeOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  if (!options.auto_ack) {
    return fail(
        Error::configuration("auto_ack is false; a reply handler's requests are "
                             "acknowledged once their replies are stored"));
  }
  return subscribe_raw(std::move(topics), inside_->reply_handler(std::move(maker)),
                       std::move(options));
}

RequestCounts Broker::request_counts() const {
  return inside_ && !inside_->is_forked() ? inside_->request_counts() : RequestCounts{};
}

Result<Subscriber> Broker::subscribe_raw(Topics topics, SubscribeHandler handler,
                                         SubscribeOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  auto started = inside_->subscribe(std::move(topics), std::move(handler), std::move(options));
  if (!started) return fail(started.error());
  return messaging::BrokerAccess::make(std::move(*started));
}

Result<Subscriber> Broker::subscribe_raw_batch(Topics topics, messaging::BatchHandler handler,
                                               SubscribeOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  auto started =
      inside_->subscribe_batch(std::move(topics), std::move(handler), std::move(options));
  if (!started) return fail(started.error());
  return messaging::BrokerAccess::make(std::move(*started));
}

Result<Subscriber> Broker::subscribe_pull_raw(Topics topics, SubscribeOptions options) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  messaging::skip_option(options);
  auto started = inside_->subscribe_pull(std::move(topics), std::move(options));
  if (!started) return fail(started.error());
  return messaging::BrokerAccess::make(std::move(*started));
}

MetricsSnapshot Broker::metrics() const {
  return check(inside_.get()) ? inside_->metrics() : MetricsSnapshot();
}

Result<Client> Broker::client() {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->client();
}

Result<FlushReport> Broker::flush(std::chrono::milliseconds timeout) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->flush(timeout, {});
}
Result<FlushReport> Broker::flush(std::chrono::milliseconds timeout, const std::stop_token& stop) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->flush(timeout, stop);
}
Result<FlushReport> Broker::disconnect(std::chrono::milliseconds timeout) {
  if (auto usable = check(inside_.get()); !usable) return fail(usable.error());
  return inside_->disconnect(timeout);
}

}  // namespace v0
}  // namespace dohle

namespace dohle::messaging {

bool is_inside(const Broker& broker) {
  const auto& runtime = BrokerAccess::runtime(broker);
  return runtime && !runtime->is_forked() && runtime->is_inside();
}

}  // namespace dohle::messaging
