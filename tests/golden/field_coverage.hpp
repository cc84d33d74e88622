#pragma once

#include <set>
#include <string>

#include "wire/defaults.hpp"

namespace dohle::golden {

/// Paths of fields ("FetchResponse.responses.topic") that had a value other than their default, and
/// of those that were null.
struct SeenFields {
  std::set<std::string> set;
  std::set<std::string> null;
};

template <class T>
struct Within {
  using type = T;
};
template <class T>
struct Within<std::optional<T>> : Within<T> {};
template <class T>
struct Within<std::vector<T>> : Within<T> {};

/// All paths in a message's declaration. Nullable ones are in both sets.
template <class S>
void collect_declared(const std::string& path, SeenFields& into) {
  auto visit = [&]<class T>(const T&, const char* name, auto...) {
    const std::string inner = path + "." + name;
    into.set.insert(inner);
    if constexpr (wire::field::is_optional<T>) into.null.insert(inner);
    using Element = typename Within<T>::type;
    if constexpr (wire::field::is_struct<Element>) collect_declared<Element>(inner, into);
  };
  const S defaults;
  S::fields(defaults, visit);
}

template <class S>
void collect_seen(const S& s, std::int16_t version, const std::string& path, SeenFields& into);

template <class T>
void collect_within(const T& value, std::int16_t version, const std::string& path,
                    SeenFields& into) {
  if constexpr (wire::field::is_optional<T>) {
    if (value) collect_within(*value, version, path, into);
  } else if constexpr (wire::field::is_vector<T>) {
    for (const auto& element : value) collect_within(element, version, path, into);
  } else if constexpr (wire::field::is_struct<T>) {
    collect_seen(value, version, path, into);
  }
}

template <class S>
void collect_seen(const S& s, std::int16_t version, const std::string& path, SeenFields& into) {
  std::size_t place = 0;
  auto visit = [&]<class T>(const T& value, const char* name, auto... options) {
    const auto& fallback = wire::field::Defaults<S>::template at<T>(place++);
    if (!wire::make_spec(options...).exists_in(version)) return;
    const std::string inner = path + "." + name;
    if (!wire::field::is_default(value, fallback)) into.set.insert(inner);
    if constexpr (wire::field::is_optional<T>) {
      if (!value) into.null.insert(inner);
    }
    collect_within(value, version, inner, into);
  };
  S::fields(s, visit);
}

}  // namespace dohle::golden
