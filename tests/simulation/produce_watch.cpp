#include "simulation/produce_watch.hpp"

#include "base/broker_errors.hpp"
#include "wire/batch.hpp"
#include "wire/big_endian.hpp"
#include "wire/header.hpp"
#include "wire/messages/produce.hpp"

namespace dohle::simulation {

void ProduceWatch::hear(const sim::ReadFrame& frame) {
  if (frame.bytes.size() < sizeof(std::int32_t)) return;
  frame.is_read_by_dialer ? hear_answer(frame) : hear_request(frame);
}

void ProduceWatch::hear_request(const sim::ReadFrame& frame) {
  const auto key = wire::load_big_endian<std::int16_t>(frame.bytes.data());
  if (key != static_cast<std::int16_t>(wire::ApiKey::produce)) return;
  const auto request = wire::decode_request_header(frame.bytes);
  if (!request) return;
  const std::int16_t version = request->header.api_version;
  const auto message = wire::decode<wire::ProduceRequest>(request->body, version);
  if (!message) return;
  Asked asked{version, {}};
  for (const auto& topic : message->topic_data) {
    for (const auto& partition : topic.partition_data) {
      const auto bytes = partition.records->flatten();
      const auto header = bytes ? wire::read_batch_header(bytes->bytes()) : fail(bytes.error());
      if (!header) continue;
      asked.batches.push_back({partition.index, header->producer_id, header->count});
      const bool is_new = read_
                              .insert({partition.index.value, header->producer_id.value,
                                       header->producer_epoch.value, header->base_sequence})
                              .second;
      if (!is_new) effects_.add(effect::batch_read_again);
    }
  }
  asked_[{frame.connection, request->header.correlation_id}] = std::move(asked);
}

void ProduceWatch::hear_answer(const sim::ReadFrame& frame) {
  const auto correlation = wire::load_big_endian<std::int32_t>(frame.bytes.data());
  const auto asked = asked_.extract({frame.connection, correlation});
  if (asked.empty()) return;
  const std::int16_t version = asked.mapped().version;
  const auto split = wire::decode_response_header(frame.bytes, wire::ProduceRequest::api, version);
  if (!split) return;
  const auto answer = wire::decode<wire::ProduceResponse>(split->body, version);
  if (!answer) return;
  auto batch = asked.mapped().batches.begin();
  for (const auto& topic : answer->responses) {
    for (const auto& partition : topic.partition_responses) {
      const Batch& refused = *batch++;
      const bool is_too_large = partition.error_code == broker_error::message_too_large ||
                                partition.error_code == broker_error::record_list_too_large;
      if (!is_too_large || refused.count == 1) continue;
      effects_.add(effect::batch_split);
      ledger_.split(refused.producer, refused.partition);
    }
  }
}

}  // namespace dohle::simulation
