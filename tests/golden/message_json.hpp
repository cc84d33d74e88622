#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "golden_lines.hpp"
#include "wire/defaults.hpp"

namespace dohle::golden {

/// A message as Kafka's JsonConverter writes it. It leaves out fields that the version lacks and
/// tagged fields with their default, and writes only the size of `records`.
class JsonWriter {
 public:
  explicit JsonWriter(std::int16_t version) : version_(version) {}

  template <class S>
  nlohmann::json structure(const S& s);

  /// The bytes of the `records` fields, in order. Absent for null.
  std::vector<std::optional<Slice>> records;

 private:
  template <class S>
  friend class JsonFields;

  template <class T>
  nlohmann::json value(const T& v) {
    using namespace wire::field;
    if constexpr (is_optional<T>) {
      return v ? value(*v) : nlohmann::json(nullptr);
    } else if constexpr (is_vector<T>) {
      auto array = nlohmann::json::array();
      for (const auto& element : v) array.push_back(value(element));
      return array;
    } else if constexpr (is_id<T>) {
      return v.value;
    } else if constexpr (std::is_same_v<T, TopicId>) {
      return v.to_string();
    } else if constexpr (std::is_same_v<T, wire::Uuid>) {
      return TopicId{v}.to_string();
    } else if constexpr (is_bytes<T>) {
      return to_base64(v.bytes());
    } else if constexpr (is_struct<T>) {
      return structure(v);
    } else {
      return v;
    }
  }
  void add_records(nlohmann::json& to, const std::optional<Chain>& chain) {
    records.push_back(chain ? std::optional(chain->flatten().value()) : std::nullopt);
    if (chain) {
      to["recordsSizeInBytes"] = chain->size();
    } else {
      to["records"] = nullptr;
    }
  }

  std::int16_t version_;
};

template <class S>
class JsonFields {
 public:
  JsonFields(JsonWriter& writer, nlohmann::json& to) : writer_(writer), to_(to) {}

  template <class T>
  void operator()(const T& value, const char* name, auto... options) {
    const auto spec = wire::make_spec(options...);
    const auto& fallback = wire::field::Defaults<S>::template at<T>(place_++);
    if (!spec.exists_in(writer_.version_)) return;
    if (spec.is_tagged_in(writer_.version_) && wire::field::is_default(value, fallback)) return;
    if constexpr (std::is_same_v<T, std::optional<Chain>>) {
      writer_.add_records(to_, value);
    } else {
      to_[name] = writer_.value(value);
    }
  }

 private:
  JsonWriter& writer_;
  nlohmann::json& to_;
  std::size_t place_ = 0;
};

template <class S>
nlohmann::json JsonWriter::structure(const S& s) {
  auto object = nlohmann::json::object();
  JsonFields<S> fields(*this, object);
  S::fields(s, fields);
  return object;
}

}  // namespace dohle::golden
