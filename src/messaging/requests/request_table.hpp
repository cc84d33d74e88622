#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "dohle/error.hpp"
#include "dohle/record.hpp"
#include "wire/big_endian.hpp"

namespace dohle::messaging {

/// The identity of a request for its responder: 16 bytes, as spring-kafka's are. The first half is
/// the requester's, the second the number of the request, both big-endian.
struct CorrelationId {
  static constexpr std::size_t size = 16;

  std::uint64_t requester = 0;
  std::uint64_t number = 0;

  [[nodiscard]] std::string bytes() const {
    std::string made(size, '\0');
    std::byte* const to = std::as_writable_bytes(std::span(made)).data();
    wire::store_big_endian(to, requester);
    wire::store_big_endian(to + sizeof requester, number);
    return made;
  }
  /// The id; absent for bytes of another length.
  [[nodiscard]] static std::optional<CorrelationId> parse(std::string_view bytes) {
    if (bytes.size() != size) return std::nullopt;
    const std::byte* const from = as_bytes(bytes).data();
    return CorrelationId{wire::load_big_endian<std::uint64_t>(from),
                         wire::load_big_endian<std::uint64_t>(from + sizeof requester)};
  }
  friend bool operator==(const CorrelationId&, const CorrelationId&) = default;
};

/// The requests of one requester that wait for their replies, each with a Waiting. Decides; reads
/// no clock, and calls no function of the program. Not thread safe.
template <class Waiting>
class RequestTable {
 public:
  RequestTable(std::uint64_t requester, std::size_t most) : requester_(requester), most_(most) {}

  /// Adds a request. Errors: limit_reached at `most` requests; `waiting` is then unchanged.
  [[nodiscard]] Result<CorrelationId> add(TimePoint deadline, Waiting&& waiting) {
    if (waiting_.size() >= most_) {
      return fail(Error::client(Errc::limit_reached, std::to_string(most_) +
                                                         " requests wait for their replies; "
                                                         "max_requests allows no more"));
    }
    const std::uint64_t number = ++last_;
    waiting_.emplace(number, Entry{deadline, std::move(waiting)});
    by_deadline_.emplace(deadline, number);
    return CorrelationId{requester_, number};
  }

  /// The relation of a reply to this requester.
  enum class Kind : std::uint8_t {
    expected,  ///< the first one to a waiting request
    late,      ///< to a request of this requester that does not wait any more
    foreign,   ///< to another requester
  };
  struct Reply {
    Kind kind;
    /// The request of an expected reply.
    std::optional<Waiting> waiting = std::nullopt;
  };
  /// Removes the request of a reply.
  [[nodiscard]] Reply on_reply(const std::optional<CorrelationId>& id) {
    if (!id || id->requester != requester_ || id->number == 0 || id->number > last_) {
      return {Kind::foreign};
    }
    auto waiting = take(*id);
    if (!waiting) return {Kind::late};
    return {Kind::expected, std::move(waiting)};
  }

  /// Takes a request out; absent if it does not wait any more.
  [[nodiscard]] std::optional<Waiting> take(const CorrelationId& id) {
    const auto found = waiting_.find(id.number);
    if (id.requester != requester_ || found == waiting_.end()) return std::nullopt;
    by_deadline_.erase({found->second.deadline, found->first});
    std::optional<Waiting> waiting(std::move(found->second.waiting));
    waiting_.erase(found);
    return waiting;
  }

  /// Takes out the requests whose deadline is at or before `now`, the earliest first.
  [[nodiscard]] std::vector<Waiting> take_expired(TimePoint now) {
    std::vector<Waiting> expired;
    while (!by_deadline_.empty() && by_deadline_.begin()->first <= now) {
      auto waiting = take({requester_, by_deadline_.begin()->second});
      expired.push_back(*std::move(waiting));
    }
    return expired;
  }
  /// Takes out all requests, in their order.
  [[nodiscard]] std::vector<Waiting> take_all() {
    std::vector<Waiting> all;
    for (auto& [number, entry] : waiting_) all.push_back(std::move(entry.waiting));
    waiting_.clear();
    by_deadline_.clear();
    return all;
  }

  [[nodiscard]] std::size_t size() const { return waiting_.size(); }
  /// `never` without a request.
  [[nodiscard]] TimePoint next_deadline() const {
    return by_deadline_.empty() ? never : by_deadline_.begin()->first;
  }

 private:
  struct Entry {
    TimePoint deadline;
    Waiting waiting;
  };

  const std::uint64_t requester_;
  const std::size_t most_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Entry> waiting_;
  std::set<std::pair<TimePoint, std::uint64_t>> by_deadline_;
};

}  // namespace dohle::messaging
