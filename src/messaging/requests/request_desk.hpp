#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/executor.hpp"
#include "base/time.hpp"
#include "client/cluster/shared_client.hpp"
#include "dohle/broker.hpp"
#include "messaging/reports/reports.hpp"
#include "messaging/requests/request_table.hpp"

namespace dohle::messaging {

/// The requests of a Broker that wait for their replies, and the counts of what became of them. A
/// timer of the client's loop ends those whose deadline has passed. Receivers are called and
/// destroyed without the lock. Thread safety: any thread.
class RequestDesk : public std::enable_shared_from_this<RequestDesk> {
 public:
  RequestDesk(std::uint64_t requester, std::size_t most, std::weak_ptr<Client::Shared> client,
              std::shared_ptr<Reports> reports)
      : client_(std::move(client)), reports_(std::move(reports)), table_(requester, most) {}

  /// `what` begins the error of a request without a reply: "the request to prices". `deadline` is
  /// `never` if the caller keeps it. Errors: limit_reached; cancelled after close.
  [[nodiscard]] Result<CorrelationId> add(TimePoint deadline, std::string what,
                                          ReplyReceiver receiver);
  void on_reply(RawEvent& reply);
  /// The request could not be stored.
  void on_unsent(const CorrelationId& id, const Error& why);
  /// Takes the request out without calling its receiver. False if that was called.
  bool forget(const CorrelationId& id);
  /// Removes a request whose caller keeps its deadline, which has passed. Counts it, and returns
  /// the error; absent if the receiver was called.
  [[nodiscard]] std::optional<Error> expire(const CorrelationId& id);
  /// Ends all requests with cancelled, and takes no more.
  void close();

  void count_answer(bool with_error);
  void count_expired();
  void count_undeliverable();
  [[nodiscard]] RequestCounts counts() const;

 private:
  struct Waiting {
    std::string what;
    ReplyReceiver receiver;
  };
  using Table = RequestTable<Waiting>;

  /// Arms the only timer for an earlier deadline than it is armed for. Under the lock.
  void arm_for(TimePoint deadline);
  void expire();
  void tell(Waiting& waiting, RawEvent* reply, const Error* failure);

  const std::weak_ptr<Client::Shared> client_;
  const std::shared_ptr<Reports> reports_;

  mutable std::mutex mutex_;
  Table table_;
  RequestCounts counts_;
  TimePoint armed_for_ = never;
  bool is_closed_ = false;

  /// Loop thread.
  TimerId timer_ = 0;
};

}  // namespace dohle::messaging
