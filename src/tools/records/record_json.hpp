#pragma once

#include <string>
#include <string_view>

#include "dohle/consumer.hpp"
#include "dohle/error.hpp"
#include "tools/records/owned_record.hpp"

namespace dohle::tools {

/// One line of JSON without its end: topic, partition, offset, timestamp (milliseconds), key, value
/// and headers in their order. Bytes that are not UTF-8 stand as base64 under the name with
/// `_base64` after it.
std::string to_json(const ConsumerRecord& record);

/// Reads what to_json writes. `value` (or `value_base64`) has to be there, null for a tombstone;
/// topic and offset are accepted and say nothing. Errors: codec_failed, naming the member.
Result<OwnedRecord> record_from_json(std::string_view line);

}  // namespace dohle::tools
