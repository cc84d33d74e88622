#pragma once

#include <string_view>

// Names of OpenTelemetry's semantic conventions for messaging, as far as the library uses them.
// Source: open-telemetry/semantic-conventions, registry attributes "messaging" and "kafka". The
// version is pinned: a later one may rename them.

namespace dohle::telemetry::conventions {

inline constexpr std::string_view schema_url = "https://opentelemetry.io/schemas/1.45.0";

// Attributes of spans.

inline constexpr std::string_view system = "messaging.system.name";
inline constexpr std::string_view operation_name = "messaging.operation.name";
inline constexpr std::string_view operation_type = "messaging.operation.type";
inline constexpr std::string_view destination_name = "messaging.destination.name";
inline constexpr std::string_view partition_id = "messaging.destination.partition.id";
inline constexpr std::string_view consumer_group = "messaging.consumer.group.name";
inline constexpr std::string_view client_id = "messaging.client.id";
inline constexpr std::string_view batch_count = "messaging.batch.message_count";
inline constexpr std::string_view kafka_offset = "kafka.offset";
inline constexpr std::string_view kafka_key = "kafka.message.key";
inline constexpr std::string_view kafka_tombstone = "kafka.message.tombstone";
inline constexpr std::string_view error_type = "error.type";

// Attributes that only this library defines.

inline constexpr std::string_view attempt = "dohle.attempt";

// Values.

inline constexpr std::string_view kafka = "kafka";
inline constexpr std::string_view type_send = "send";
inline constexpr std::string_view type_receive = "receive";
inline constexpr std::string_view type_process = "process";
inline constexpr std::string_view type_settle = "settle";

// Attributes of the resource.

inline constexpr std::string_view service_name = "service.name";
inline constexpr std::string_view service_instance_id = "service.instance.id";
inline constexpr std::string_view service_version = "service.version";

}  // namespace dohle::telemetry::conventions
