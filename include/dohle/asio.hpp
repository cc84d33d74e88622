#pragma once

// Boost.Asio's completion tokens for a Broker, and coroutines as handlers. Programs that include
// this header need Boost 1.74 or newer (headers only). No other part of Dohle needs Boost.
//
//     auto receipt = co_await dohle::asio::publish(broker, "orders", order, use_awaitable);
//
// g++ 12 destroys a temporary struct in braces inside a co_await twice. Use a named variable for
// options there.
//
// Tokens. Each operation takes a completion token last: a callback, boost::asio::use_future,
// boost::asio::use_awaitable, or another one. It completes with one Result, so a co_await returns a
// Result and does not throw.
//
// Executor. The completion runs on the executor that is associated with the token's handler; for a
// coroutine, on its own executor. Without an associated executor it runs on
// boost::asio::system_executor. It never runs inside the call, nor on Dohle's threads. Until then,
// the operation counts as outstanding work of that executor.
//
// Waits. The call itself may block where the call of the Broker does. `publish` waits for the
// metadata of a topic that is new to the Broker, and while memory is full. `request` also waits at
// the first request with a reply topic. If a thread must not block, publish once at the start, and
// limit the number of unfinished operations.
//
// Lifetime. The Broker and the execution context of the executor have to live until the operation
// completes. It is undefined behaviour to destroy the context earlier. Names, values and options
// are copied or moved in. A value that is a view still refers to the caller's data. Each operation
// completes: it has a deadline (for publish, the delivery timeout or PublishOptions::timeout), and
// Broker::disconnect ends it earlier.
//
// Cancellation. An operation may take a std::stop_token before its completion token:
//
//     std::stop_source source;
//     auto reply = co_await dohle::asio::request<Price>(broker, "prices", order, options,
//                                                       source.get_token(), use_awaitable);
//
// A requested stop ends the wait: the operation completes at once with Errc::cancelled, and its
// later outcome is dropped. If the stop was requested before the call, nothing is sent. A record
// that was accepted cannot be recalled, so it is possibly stored (Error::stored). A request counts
// for max_requests until its reply or its deadline. Boost 1.74 has no cancellation slots, and this
// header ignores those of newer versions; `slot.assign([&](auto) { source.request_stop(); })`
// connects one.

#include <atomic>
#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#endif

#include "dohle/broker.hpp"
#include "dohle/detail/stopped.hpp"
#include "dohle/detail/thrown_by.hpp"
#include "dohle/error.hpp"
#include "dohle/event.hpp"

namespace dohle::messaging {

/// Passes the first outcome from any thread to a handler on its executor. Copies share the handler.
/// If the last copy is gone without an outcome, the handler gets `cancelled`.
template <class Outcome, class Handler>
class Completion {
  using Executor = boost::asio::associated_executor_t<Handler>;

 public:
  explicit Completion(Handler handler)
      : state_(std::make_shared<State>(boost::asio::get_associated_executor(handler),
                                       std::move(handler))) {}
  void operator()(Outcome outcome) const { State::complete(state_, std::move(outcome)); }
  /// Completes with `cancelled` once a stop is requested.
  void stop_by(const std::stop_token& stop, Error cancelled) const {
    if (!stop.stop_possible()) return;
    state_->stopping.emplace(stop, Stop{state_, std::move(cancelled)});
  }

 private:
  /// The handler may run to its end while this thread is still inside `post`. Until it has left, a
  /// context that runs out of work does not return to a program that destroys it.
  template <class Task>
  static void post(const Executor& executor, Task task) {
    const boost::asio::executor_work_guard<Executor> posting(executor);
    boost::asio::post(executor, std::move(task));
  }
  struct State;
  struct Stop {
    /// The state holds this object, and lives until its handler has been called.
    std::weak_ptr<State> state;
    Error cancelled;
    void operator()() const {
      if (auto alive = state.lock()) State::complete(std::move(alive), Outcome(fail(cancelled)));
    }
  };
  struct State {
    State(const Executor& executor, Handler own) : work(executor), handler(std::move(own)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
      if (is_complete.load()) return;
      auto executor = work.get_executor();
      post(executor, [held = std::move(work), own = std::move(handler)]() mutable {
        held.reset();
        Handler last(std::move(own));
        last(Outcome(fail(Error::client(
            Errc::cancelled, "the operation has no outcome: a middleware may have kept it"))));
      });
    }
    static void complete(std::shared_ptr<State> state, Outcome outcome) {
      if (state->is_complete.exchange(true)) return;
      auto executor = state->work.get_executor();
      post(executor, [state = std::move(state), outcome = std::move(outcome)]() mutable {
        state->work.reset();
        Handler handler(std::move(state->handler));
        handler(std::move(outcome));
      });
    }

    boost::asio::executor_work_guard<Executor> work;
    Handler handler;
    std::atomic<bool> is_complete{false};
    std::optional<std::stop_callback<Stop>> stopping;
  };
  std::shared_ptr<State> state_;
};

}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {
namespace asio {

/// Publishes a value, text or a Message, and completes with Result<Receipt> once it is stored.
/// `options` must not have a callback. `async` = false has no effect: the caller never waits for
/// the acknowledgement. Errors: those of Broker::publish, and the message's own; cancelled if a
/// middleware kept the message.
template <class T, class Token>
auto publish(Broker& broker, std::string topic, T value, PublishOptions options,
             std::stop_token stop, Token&& token) {
  return boost::asio::async_initiate<Token, void(Result<Receipt>)>(
      [](auto handler, Broker* to, std::string name, auto sent, PublishOptions how,
         const std::stop_token& by) {
        using Handler = std::decay_t<decltype(handler)>;
        messaging::Completion<Result<Receipt>, Handler> done(std::move(handler));
        if (by.stop_requested()) {
          return done(fail(messaging::stopped("the message was not published")));
        }
        if (how.callback) {
          return done(fail(Error::configuration(
              "callback is set; the completion token of dohle::asio::publish takes its place")));
        }
        how.async = true;
        how.callback = [done](const Result<Receipt>& receipt) { done(receipt); };
        auto published = to->publish(name, std::move(sent), std::move(how));
        if (!published) return done(fail(published.error()));
        done.stop_by(by, messaging::stopped("the outcome of a publish is not awaited any more")
                             .with_stored(Stored::possibly));
      },
      token, &broker, std::move(topic), std::move(value), std::move(options), std::move(stop));
}

/// The same without a stop.
template <class T, class Token>
auto publish(Broker& broker, std::string topic, T value, PublishOptions options, Token&& token) {
  return publish(broker, std::move(topic), std::move(value), std::move(options), std::stop_token(),
                 std::forward<Token>(token));
}

/// The same with the options' defaults.
template <class T, class Token>
auto publish(Broker& broker, std::string topic, T value, Token&& token) {
  return publish(broker, std::move(topic), std::move(value), PublishOptions(),
                 std::forward<Token>(token));
}

/// Sends a request and completes with Result<Reply>. Errors: those of Broker::request.
template <class Reply, class Request, class Token>
auto request(Broker& broker, std::string topic, Request value, RequestOptions options,
             std::stop_token stop, Token&& token) {
  return boost::asio::async_initiate<Token, void(Result<Reply>)>(
      [](auto handler, Broker* to, std::string name, auto sent, RequestOptions how,
         const std::stop_token& by) {
        using Handler = std::decay_t<decltype(handler)>;
        messaging::Completion<Result<Reply>, Handler> done(std::move(handler));
        if (by.stop_requested()) {
          return done(fail(messaging::stopped("the request was not sent")));
        }
        auto requested = to->template request_async<Reply>(name, sent, done, std::move(how));
        if (!requested) return done(fail(requested.error()));
        done.stop_by(
            by,
            messaging::stopped("a reply is not awaited any more").with_stored(Stored::possibly));
      },
      token, &broker, std::move(topic), std::move(value), std::move(options), std::move(stop));
}

/// The same without a stop.
template <class Reply, class Request, class Token>
auto request(Broker& broker, std::string topic, Request value, RequestOptions options,
             Token&& token) {
  return request<Reply>(broker, std::move(topic), std::move(value), std::move(options),
                        std::stop_token(), std::forward<Token>(token));
}

/// The same with the options' defaults.
template <class Reply, class Request, class Token>
auto request(Broker& broker, std::string topic, Request value, Token&& token) {
  return request<Reply>(broker, std::move(topic), std::move(value), RequestOptions(),
                        std::forward<Token>(token));
}

/// Sends all published messages and completes with Result<FlushReport> once each has an outcome. It
/// waits on a thread of boost::asio::system_executor. It completes after that thread has left the
/// Broker, also after a stop, which ends the wait. Errors: those of Broker::flush.
template <class Token>
auto flush(Broker& broker, std::chrono::milliseconds timeout, std::stop_token stop, Token&& token) {
  return boost::asio::async_initiate<Token, void(Result<FlushReport>)>(
      [](auto handler, Broker* to, std::chrono::milliseconds most, const std::stop_token& by) {
        using Handler = std::decay_t<decltype(handler)>;
        messaging::Completion<Result<FlushReport>, Handler> done(std::move(handler));
        if (by.stop_requested()) {
          return done(fail(messaging::stopped("the flush did not begin")));
        }
        boost::asio::post(boost::asio::system_executor(),
                          [done, to, most, by] { done(to->flush(most, by)); });
      },
      token, &broker, timeout, std::move(stop));
}

/// The same without a stop.
template <class Token>
auto flush(Broker& broker, std::chrono::milliseconds timeout, Token&& token) {
  return flush(broker, timeout, std::stop_token(), std::forward<Token>(token));
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)

}  // namespace asio
}  // namespace v0
}  // namespace dohle

namespace dohle::messaging {

/// The result of a handler that runs a coroutine.
template <class Awaitable>
struct AwaitedOutcome;
template <class Value>
struct AwaitedOutcome<boost::asio::awaitable<Value>> {
  using type = Result<Value>;
};
template <class Value>
struct AwaitedOutcome<boost::asio::awaitable<Result<Value>>> {
  using type = Result<Value>;
};
template <class Awaitable>
using OutcomeOf = typename AwaitedOutcome<Awaitable>::type;

/// The exception as an error. Called on the executor's thread, so that the exception never leaves
/// it.
[[nodiscard]] inline Error thrown_by_coroutine(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (...) {
    return thrown_by("the coroutine of a handler");
  }
}

}  // namespace dohle::messaging

namespace dohle {
inline namespace v0 {
namespace asio {

/// A handler of Broker::subscribe or Broker::reply that runs a coroutine. coroutine_handler makes
/// it.
template <class Executor, class Coroutine>
class CoroutineHandler {
  template <class... Arguments>
  using Outcome = messaging::OutcomeOf<std::invoke_result_t<Coroutine&, Arguments...>>;

 public:
  /// See coroutine_handler.
  CoroutineHandler(Executor executor, Coroutine coroutine)
      : executor_(std::move(executor)),
        coroutine_(std::make_shared<Coroutine>(std::move(coroutine))) {}

  /// Runs the coroutine and waits for its end. Errors: the coroutine's; cancelled if the executor
  /// ends before the coroutine does.
  template <class... Arguments>
  Outcome<Arguments...> operator()(Arguments... arguments) {
    return run<Outcome<Arguments...>>((*coroutine_)(std::move(arguments)...));
  }
  /// The same for a request with its event, which lives until the coroutine has ended.
  template <class Request>
  Outcome<Request, const RawEvent&> operator()(Request request, const RawEvent& event) {
    return run<Outcome<Request, const RawEvent&>>((*coroutine_)(std::move(request), event));
  }

 private:
  template <class Outcome>
  struct End {
    std::shared_ptr<std::promise<Outcome>> promise;
    void operator()(const std::exception_ptr& thrown) {
      if (thrown) return promise->set_value(fail(messaging::thrown_by_coroutine(thrown)));
      if constexpr (std::same_as<Outcome, Result<void>>) promise->set_value({});
    }
    template <class Value>
    void operator()(const std::exception_ptr& thrown, Value value) {
      if (thrown) return promise->set_value(fail(messaging::thrown_by_coroutine(thrown)));
      promise->set_value(std::move(value));
    }
  };

  template <class Outcome, class Awaitable>
  Outcome run(Awaitable awaitable) {
    auto promise = std::make_shared<std::promise<Outcome>>();
    auto ended = promise->get_future();
    {
      // The coroutine may end while this thread is still inside `co_spawn`, as with Completion.
      const boost::asio::executor_work_guard<Executor> posting(executor_);
      boost::asio::co_spawn(executor_, std::move(awaitable), End<Outcome>{std::move(promise)});
    }
    try {
      return ended.get();
    } catch (const std::future_error&) {
      return fail(
          Error::client(Errc::cancelled, "the executor ended before the coroutine of a handler"));
    }
  }

  Executor executor_;
  std::shared_ptr<Coroutine> coroutine_;
};

/// Makes a handler from a coroutine. The coroutine takes the arguments of a handler (an Event<T>, a
/// T, a T and a RawEvent, or a RawEvent) and returns boost::asio::awaitable<void> or
/// awaitable<Result<void>>. For Broker::reply it takes a Request, and optionally the const
/// RawEvent&, and returns awaitable<Reply> or awaitable<Result<Reply>>; Reply needs a default
/// constructor.
///
///     broker.subscribe<Order>("orders", dohle::asio::coroutine_handler(context.get_executor(),
///         [](dohle::Event<Order> order) -> boost::asio::awaitable<void> { … }));
///
/// The coroutine runs on `executor`, and a worker of the subscription waits for its end. So
/// `concurrency` is the number of coroutines at a time, and messages of one key stay in order.
/// Acknowledgement, retries and the failure policy work as for every handler; an exception is a
/// failure. The threads of the executor must not wait for the subscription. The executor has to run
/// until the subscription has ended. If it stops earlier, a worker waits for its coroutine until
/// the deadline of unsubscribe. Needs a compiler whose coroutines Boost supports: for clang with
/// Boost before 1.76 define BOOST_ASIO_HAS_CO_AWAIT and BOOST_ASIO_HAS_STD_COROUTINE.
template <class Executor, class Coroutine>
[[nodiscard]] CoroutineHandler<Executor, Coroutine> coroutine_handler(Executor executor,
                                                                      Coroutine coroutine) {
  return {std::move(executor), std::move(coroutine)};
}

#endif

}  // namespace asio
}  // namespace v0
}  // namespace dohle
