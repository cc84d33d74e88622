#pragma once

#include <string>
#include <string_view>

#include "dohle/consumer.hpp"
#include "dohle/error.hpp"
#include "tools/records/owned_record.hpp"

namespace dohle::tools {

/// One line of JSON without a newline: topic, partition, offset, timestamp (milliseconds), key,
/// value and headers in their order. Bytes that are not UTF-8 are written as base64 in a member
/// with the suffix `_base64`.
std::string to_json(const ConsumerRecord& record);

/// Parses a line that to_json writes. `value` (or `value_base64`) is required, and null for a
/// tombstone; topic and offset are accepted and ignored. Errors: codec_failed, with the member.
Result<OwnedRecord> record_from_json(std::string_view line);

}  // namespace dohle::tools
