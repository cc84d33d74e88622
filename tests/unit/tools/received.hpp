#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/consumer.hpp"
#include "tools/records/owned_record.hpp"

namespace dohle::tools {

/// A record of a consumer, with a copy of its bytes.
class Received {
 public:
  explicit Received(OwnedRecord from) : from_(std::move(from)) {
    for (const auto& [name, value] : from_.headers) {
      put_varint(static_cast<std::int32_t>(name.size()));
      encoded_ += name;
      put_varint(value ? static_cast<std::int32_t>(value->size()) : -1);
      encoded_ += value.value_or("");
    }
  }

  [[nodiscard]] ConsumerRecord record() const {
    ConsumerRecord record;
    record.topic = "orders";
    record.partition = from_.partition;
    record.offset = Offset{42};
    record.leader_epoch = LeaderEpoch{7};
    record.timestamp = from_.timestamp;
    if (from_.key) record.key = as_bytes(*from_.key);
    if (from_.value) record.value = as_bytes(*from_.value);
    record.headers = HeaderRange(reinterpret_cast<const std::byte*>(encoded_.data()),
                                 static_cast<std::uint32_t>(from_.headers.size()));
    return record;
  }

 private:
  void put_varint(std::int32_t number) {
    auto left = static_cast<std::uint32_t>(number) << 1 ^ static_cast<std::uint32_t>(number >> 31);
    for (; left > 0x7f; left >>= 7) encoded_ += static_cast<char>(left | 0x80);
    encoded_ += static_cast<char>(left);
  }

  OwnedRecord from_;
  std::string encoded_;
};

}  // namespace dohle::tools
