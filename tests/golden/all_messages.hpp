#pragma once

#include <tuple>

#include "wire/every_message.hpp"  // made by the build, from wire/api_list.hpp
#include "wire/messages/consumer_offsets.hpp"
#include "wire/messages/consumer_protocol.hpp"

namespace dohle::wire {

/// All messages, for tests over each of them.
#define DOHLE_REQUEST(key, file, Name) std::tuple<Name##Request>(),
using AllRequests = decltype(std::tuple_cat(DOHLE_FOR_EACH_API(DOHLE_REQUEST) std::tuple<>()));
#undef DOHLE_REQUEST

using GroupRecords =
    std::tuple<OffsetCommitKey, OffsetCommitValue, GroupMetadataKey, GroupMetadataValue,
               ConsumerProtocolSubscription, ConsumerProtocolAssignment>;

/// Calls `f.operator()<M>()` for every message of a tuple.
template <class Tuple, class F>
void for_each_message(F&& f) {
  [&]<class... M>(std::tuple<M...>*) {
    (f.template operator()<M>(), ...);
  }(static_cast<Tuple*>(nullptr));
}

/// Calls `f.operator()<M>()` for every request, response and group record.
template <class F>
void for_all_messages(F&& f) {
  for_each_message<AllRequests>([&]<class M>() {
    f.template operator()<M>();
    f.template operator()<typename M::Response>();
  });
  for_each_message<GroupRecords>([&]<class M>() { f.template operator()<M>(); });
}

}  // namespace dohle::wire
