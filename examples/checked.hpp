#pragma once

// The examples end at the first error.

#include <cstdlib>
#include <iostream>
#include <utility>

#include <dohle/error.hpp>

/// The value of the result. If there is none, ends the program with the error's message.
template <class T>
T checked(dohle::Result<T> result) {
  if (result) return *std::move(result);
  std::cerr << result.error().to_string() << '\n';
  std::exit(1);
}

/// If the result is an error, ends the program with its message.
inline void check(const dohle::Result<void>& result) {
  if (result) return;
  std::cerr << result.error().to_string() << '\n';
  std::exit(1);
}
