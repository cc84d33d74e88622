#pragma once

#include <version>

#if !defined(__cpp_lib_expected)
#error \
    "dohle needs C++23 with std::expected: compile with -std=c++23 using g++ 12, clang 19 or newer"
#endif

// Marks the symbols that the shared library exports; all others are hidden.
#if defined(DOHLE_SHARED)
#define DOHLE_API __attribute__((visibility("default")))
#else
#define DOHLE_API
#endif
