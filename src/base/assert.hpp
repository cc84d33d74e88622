#pragma once

#include <string_view>

namespace dohle {

/// Writes the broken assertion to standard error and ends the process by abort().
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line,
                                   std::string_view message) noexcept;

}  // namespace dohle

/// Asserts a condition that no peer, user or disk can break: a failure is a bug in this library.
/// Checked in every build, so `condition` must be cheap; never used per record. `message` names the
/// broken invariant.
#define DOHLE_ASSERT(condition, message)                                  \
  do {                                                                    \
    if (!(condition)) [[unlikely]]                                        \
      ::dohle::assertion_failed(#condition, __FILE__, __LINE__, message); \
  } while (false)

/// As DOHLE_ASSERT, for expensive conditions: checked only if NDEBUG is not defined, as in the test
/// builds.
#ifdef NDEBUG
#define DOHLE_ASSERT_COSTLY(condition, message) \
  do {                                          \
  } while (false && (condition))
#else
#define DOHLE_ASSERT_COSTLY(condition, message) DOHLE_ASSERT(condition, message)
#endif

/// Calls `object.check_invariants()`, which asserts the object's invariants between two events. It
/// may be expensive: called only if NDEBUG is not defined.
#ifdef NDEBUG
#define DOHLE_CHECK_INVARIANTS(object) \
  do {                                 \
  } while (false)
#else
#define DOHLE_CHECK_INVARIANTS(object) (object).check_invariants()
#endif
