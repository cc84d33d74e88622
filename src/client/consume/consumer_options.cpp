#include "client/consume/consumer_options.hpp"

#include <string>

#include "base/option_checks.hpp"

namespace dohle::client {

Result<void> check(const ConsumerOptions& options) {
  constexpr std::int64_t day_ms = 86'400'000;
  if (auto reset = check_enum("offset_reset", options.offset_reset,
                              {OffsetReset::latest, OffsetReset::earliest, OffsetReset::fail});
      !reset) {
    return reset;
  }
  auto ranges = check_options({
      {"auto_commit_interval", options.auto_commit_interval.count(), 1, day_ms, "ms"},
      {"offset_retention", options.offset_retention.value_or(std::chrono::milliseconds(1)).count(),
       1, 365 * day_ms, "ms"},
      {"session_timeout", options.session_timeout.count(), 1, day_ms, "ms"},
      {"heartbeat_interval", options.heartbeat_interval.count(), 1, day_ms, "ms"},
      {"max_poll_interval", options.max_poll_interval.count(), 1, day_ms, "ms"},
      {"min_fetch_bytes", as_value(options.min_fetch_bytes), 1, INT32_MAX, "bytes"},
      {"max_fetch_bytes", as_value(options.max_fetch_bytes), 1'024, INT32_MAX, "bytes"},
      {"max_partition_fetch_bytes", as_value(options.max_partition_fetch_bytes), 1'024, INT32_MAX,
       "bytes"},
      {"max_fetch_wait", options.max_fetch_wait.count(), 0, 600'000, "ms"},
      {"buffer_bytes", as_value(options.buffer_bytes), 1'024, INT64_MAX, "bytes"},
      {"max_poll_records", as_value(options.max_poll_records), 1, 1'000'000},
      {"request_timeout", options.request_timeout.count(), 1, 600'000, "ms"},
      {"fetch_timeout", options.fetch_timeout.value_or(options.request_timeout).count(), 1, 600'000,
       "ms"},
      {"default_api_timeout", options.default_api_timeout.count(), 1, day_ms, "ms"},
  });
  if (!ranges) return ranges;
  if (options.heartbeat_interval >= options.session_timeout) {
    return fail(Error::configuration("heartbeat_interval is " +
                                     std::to_string(options.heartbeat_interval.count()) +
                                     " ms; it has to be below session_timeout, " +
                                     std::to_string(options.session_timeout.count()) + " ms"));
  }
  if (options.group_id.empty() && !options.group_instance_id.empty()) {
    return fail(Error::configuration("group_instance_id is '" + options.group_instance_id +
                                     "' and group_id is empty; it needs a group"));
  }
  if (options.offset_retention && options.group_id.empty()) {
    return fail(
        Error::configuration("offset_retention is set and group_id is empty; it needs a "
                             "group"));
  }
  if (options.offset_retention && !options.group_instance_id.empty()) {
    return fail(Error::configuration("offset_retention is set and group_instance_id is '" +
                                     options.group_instance_id +
                                     "'; OffsetCommit has only one of them in any version"));
  }
  return {};
}

}  // namespace dohle::client
