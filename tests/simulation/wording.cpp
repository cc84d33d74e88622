#include "simulation/wording.hpp"

#include <fmt/format.h>

#include "dohle/error.hpp"
#include "golden/all_messages.hpp"
#include "wire/batch.hpp"
#include "wire/big_endian.hpp"
#include "wire/defaults.hpp"

namespace dohle::simulation {

namespace {

template <class S>
std::string text_of_struct(const S& s);

std::string text_of_records(const Chain& records) {
  const auto bytes = records.flatten();
  if (!bytes) return "unreadable";
  std::string text;
  for (Slice rest = *bytes; rest.size() >= wire::batch_header_bytes;) {
    const auto batch = wire::read_batch_header(rest.bytes());
    if (!batch) return text + "(damaged)";
    text += fmt::format("(offsets {} to {}", batch->base_offset.value, batch->last_offset().value);
    if (!batch->producer_id.is_none()) {
      text += fmt::format(", producer {} epoch {} sequence {}", batch->producer_id.value,
                          batch->producer_epoch.value, batch->base_sequence);
    }
    text += ")";
    if (batch->size() >= rest.size()) break;
    rest = rest.sub(batch->size());
  }
  return text;
}

template <class T>
std::string text_of(const T& value) {
  using namespace wire::field;
  if constexpr (is_optional<T>) {
    return value ? text_of(*value) : "null";
  } else if constexpr (is_vector<T>) {
    std::string text;
    for (const auto& element : value) text += (text.empty() ? "" : ", ") + text_of(element);
    return "[" + text + "]";
  } else if constexpr (is_id<T>) {
    return std::to_string(value.value);
  } else if constexpr (is_uuid<T>) {
    return TopicId{value}.to_string();
  } else if constexpr (is_bytes<T>) {
    return fmt::format("{} bytes", value.size());
  } else if constexpr (is_records<T>) {
    return text_of_records(value);
  } else if constexpr (is_struct<T>) {
    return "{" + text_of_struct(value) + "}";
  } else {
    return fmt::format("{}", value);
  }
}

template <class S>
struct StructText {
  std::string text;
  std::size_t place = 0;

  template <class T>
  void operator()(const T& value, const char* name, auto...) {
    if (wire::field::is_default(value, wire::field::Defaults<S>::template at<T>(place++))) return;
    text += fmt::format("{}{} ", text.empty() ? "" : ", ", name);
    if constexpr (std::is_same_v<T, std::int16_t>) {
      if (std::string_view(name) == "errorCode") return void(text += error_of(value));
    }
    text += text_of(value);
  }
  static std::string error_of(std::int16_t code) {
    return fmt::format("{} {}", code, Error::broker(code).name());
  }
};

template <class S>
std::string text_of_struct(const S& s) {
  StructText<S> fields;
  S::fields(s, fields);
  return fields.text;
}

/// These messages are long and of little use in a trace.
bool is_told_by_name(wire::ApiKey key) {
  return key == wire::ApiKey::api_versions || key == wire::ApiKey::metadata;
}

/// The words for a request of that API, or for its answer.
std::string body(wire::ApiKey key, std::int16_t version, const Slice& bytes, bool is_answer) {
  std::string text;
  if (is_told_by_name(key)) return text;
  const auto decode = [&]<class M>() {
    const auto message = wire::decode<M>(bytes, version);
    text = message ? text_of_struct(*message) : message.error().to_string();
  };
  wire::for_each_message<wire::AllRequests>([&]<class M>() {
    if (M::api.key != key) return;
    is_answer ? decode.template operator()<typename M::Response>()
              : decode.template operator()<M>();
  });
  return text;
}

}  // namespace

std::string Wording::of(const sim::ReadFrame& frame) {
  return frame.is_read_by_dialer ? answer(frame) : request(frame);
}

std::string Wording::request(const sim::ReadFrame& frame) {
  const auto request = wire::decode_request_header(frame.bytes);
  if (!request) return request.error().to_string();
  const wire::RequestHeader& header = request->header;
  if (wire::find_api(header.api_key) != nullptr) {
    asked_[{frame.connection, header.correlation_id}] = {header.api_key, header.api_version};
  }
  return fmt::format("{} #{} {}", wire::api_name(header.api_key), header.correlation_id,
                     body(header.api_key, header.api_version, request->body, false));
}

std::string Wording::answer(const sim::ReadFrame& frame) {
  if (frame.bytes.size() < sizeof(std::int32_t)) return "cut off";
  const auto correlation = wire::load_big_endian<std::int32_t>(frame.bytes.data());
  const auto asked = asked_.extract({frame.connection, correlation});
  if (asked.empty()) return fmt::format("an answer to #{}, which nobody read", correlation);
  const auto [key, version] = asked.mapped();
  const auto response = wire::decode_response_header(frame.bytes, *wire::find_api(key), version);
  if (!response) return response.error().to_string();
  return fmt::format("{} #{} answered {}", wire::api_name(key), correlation,
                     body(key, version, response->body, true));
}

}  // namespace dohle::simulation
