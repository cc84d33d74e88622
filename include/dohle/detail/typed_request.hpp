#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dohle/codec.hpp"
#include "dohle/detail/codec_choice.hpp"
#include "dohle/detail/typed_handler.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"
#include "dohle/export.hpp"
#include "dohle/message.hpp"

namespace dohle::messaging {

/// The body of a request: a Message, or a value with the codecs of its type.
struct RequestBody {
  const Message* message = nullptr;
  std::span<const Encoding> encodings = {};
  const void* value = nullptr;
};

/// Receives the reply to one request, or its failure: exactly one of them is not null. Called once.
using ReplyReceiver = std::move_only_function<void(RawEvent* reply, const Error* failure)>;

/// Types of requests and replies. A Message holds bytes with headers.
template <class T>
concept Sendable = std::same_as<T, Message> || Encodable<T>;
template <class T>
concept Receivable = std::same_as<T, Message> || Decodable<T>;

template <class T>
[[nodiscard]] constexpr std::span<const CodecName> names_of() {
  if constexpr (std::same_as<T, Message>) {
    return {};
  } else {
    return codec_names<T>;
  }
}

[[nodiscard]] inline Error no_body(std::string_view what, std::string_view topic) {
  return Error::client(Errc::codec_failed, std::string(what) + " of topic " + std::string(topic) +
                                               " has no body (a tombstone)");
}

/// The value of a request or a reply.
template <Receivable T>
Result<T> read_value(const RawEvent& event, const DecodingChoice& choice, std::string_view what) {
  if constexpr (std::same_as<T, Message>) {
    return event.message();
  } else {
    auto value = decode<T>(event, choice);
    if (!value) return fail(value.error());
    if (!*value) return fail(no_body(what, event.topic()));
    return std::move(**value);
  }
}

template <Receivable Reply>
ReplyReceiver receiver_of(std::function<void(Result<Reply>)> done, DecodingChoice choice) {
  return [done = std::move(done), choice](RawEvent* reply, const Error* failure) {
    done(reply == nullptr ? Result<Reply>(fail(*failure))
                          : read_value<Reply>(*reply, choice, "a reply"));
  };
}

/// Makes the reply to a request: its body and its own headers.
using ReplyMaker =
    std::function<Result<Message>(const RawEvent& request, std::string_view reply_topic)>;

template <class T>
struct Answered {
  using type = T;
};
template <class T>
struct Answered<Result<T>> {
  using type = T;
};
/// The reply type of a handler that returns a reply or a Result of one.
template <class Handler, class... Arguments>
using AnswerOf = typename Answered<std::invoke_result_t<Handler&, Arguments...>>::type;

template <class Handler, class Request>
concept AnswersWithEvent = std::invocable<Handler&, Request, const RawEvent&> &&
                           Sendable<AnswerOf<Handler, Request, const RawEvent&>>;
template <class Handler, class Request>
concept AnswersAlone = std::invocable<Handler&, Request> && Sendable<AnswerOf<Handler, Request>>;
template <class Handler, class Request>
concept Answers = AnswersWithEvent<Handler, Request> || AnswersAlone<Handler, Request>;

template <class Handler, class Request>
auto answer(Handler& handler, Request&& request, const RawEvent& event) {
  if constexpr (AnswersWithEvent<Handler, Request>) {
    return handler(std::forward<Request>(request), event);
  } else {
    return handler(std::forward<Request>(request));
  }
}
template <class Handler, class Request>
using ReplyOf = typename Answered<decltype(answer(std::declval<Handler&>(), std::declval<Request>(),
                                                  std::declval<const RawEvent&>()))>::type;

template <Sendable Reply>
Result<Message> reply_message(Reply reply, const DecodingChoice& codec, std::string_view topic) {
  if constexpr (std::same_as<Reply, Message>) {
    return reply;
  } else {
    const Encoding& encoding = encodings<Reply>[codec.usual];
    std::string body;
    if (auto done = encoding.encode(&reply, CodecContext{.topic = topic}, body); !done) {
      return fail(done.error());
    }
    Message message(std::move(body));
    if (codec.by_content_type) {
      message.with_header(std::string(content_type_header),
                          std::string(encoding.named.content_type));
    }
    return message;
  }
}

template <Receivable Request, Answers<Request> Handler>
ReplyMaker reply_maker(Handler handler, DecodingChoice of_request, DecodingChoice of_reply) {
  return [shared = std::make_shared<Handler>(std::move(handler)), of_request, of_reply](
             const RawEvent& event, std::string_view topic) -> Result<Message> {
    auto request = read_value<Request>(event, of_request, "a request");
    if (!request) return fail(request.error());
    using Reply = ReplyOf<Handler, Request>;
    Result<Reply> reply = answer(*shared, *std::move(request), event);
    if (!reply) return fail(reply.error());
    return reply_message<Reply>(*std::move(reply), of_reply, topic);
  };
}

}  // namespace dohle::messaging
