#pragma once

#include <array>
#include <cstddef>

#include "wire/field_types.hpp"

namespace dohle::wire::field {

/// The defaults of a struct's fields: its member initializers, by the field's place in `fields`.
/// `fields` visits in the same order each time, so the types agree.
template <class S>
class Defaults {
 public:
  template <class T>
  static const T& at(std::size_t place) {
    return *static_cast<const T*>(instance().addresses_[place]);
  }

 private:
  static constexpr std::size_t max_fields = 32;

  struct Collector {
    std::array<const void*, max_fields>& addresses;
    std::size_t place = 0;
    void operator()(const auto& value, const char*, auto...) { addresses.at(place++) = &value; }
  };

  static const Defaults& instance() {
    static const Defaults defaults;
    return defaults;
  }

  Defaults() {
    Collector collector{addresses_};
    S::fields(value_, collector);
  }

  const S value_{};
  std::array<const void*, max_fields> addresses_{};
};

template <class S>
bool is_all_default(const S& value);

template <class T>
bool is_default(const T& value, const T& fallback) {
  if constexpr (is_struct<T>) {
    return is_all_default(value);
  } else if constexpr (is_optional<T>) {
    if (value.has_value() != fallback.has_value()) return false;
    return !value.has_value() || is_default(*value, *fallback);
  } else if constexpr (is_vector<T> || is_bytes<T> || is_records<T>) {
    return value.empty();  // the schemas have no other default
  } else {
    return value == fallback;
  }
}

template <class S>
struct DefaultCheck {
  bool all_default = true;
  std::size_t place = 0;

  template <class T>
  void operator()(const T& value, const char*, auto...) {
    all_default = all_default && is_default(value, Defaults<S>::template at<T>(place));
    ++place;
  }
};

template <class S>
bool is_all_default(const S& value) {
  DefaultCheck<S> check;
  S::fields(value, check);
  return check.all_default;
}

}  // namespace dohle::wire::field
