#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dohle/ids.hpp"
#include "wire/api.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

struct InitProducerIdResponse;

// InitProducerId (22). Gives a producer its id and epoch.
//
// v1 throttled after the answer (KIP-219). v2 flexible (KIP-482). v3 a producer may name its id
// and epoch and get the next epoch (KIP-360). v4 PRODUCER_FENCED (KIP-588). v5
// TRANSACTION_ABORTABLE (KIP-890). v6, two-phase commit (KIP-939), is not released.
struct InitProducerIdRequest {
  using Response = InitProducerIdResponse;
  static constexpr Api api{ApiKey::init_producer_id, versions(0, 5), flexible_since(2)};

  std::optional<std::string> transactional_id = std::string{};
  std::int32_t transaction_timeout_ms = 0;
  ProducerId producer_id;
  ProducerEpoch producer_epoch;

  static void fields(auto& self, auto& f) {
    f(self.transactional_id, "transactionalId");
    f(self.transaction_timeout_ms, "transactionTimeoutMs");
    f(self.producer_id, "producerId", since(3));
    f(self.producer_epoch, "producerEpoch", since(3));
  }
};

struct InitProducerIdResponse {
  static constexpr Api api{ApiKey::init_producer_id, versions(0, 5), flexible_since(2)};

  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  ProducerId producer_id;
  ProducerEpoch producer_epoch;

  static void fields(auto& self, auto& f) {
    f(self.throttle_time_ms, "throttleTimeMs");
    f(self.error_code, "errorCode");
    f(self.producer_id, "producerId");
    f(self.producer_epoch, "producerEpoch");
  }
};

}  // namespace dohle::wire
