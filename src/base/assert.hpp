#pragma once

#include <string_view>

namespace dohle {

/// Writes the broken assertion to standard error and ends the process by abort().
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line,
                                   std::string_view message) noexcept;

}  // namespace dohle

/// States what must hold, whatever a peer, a user or a disk does: a breach is a bug in this
/// library. Checked in every build, so `condition` is cheap; never per record. `message` says what
/// is broken.
#define DOHLE_ASSERT(condition, message)                                  \
  do {                                                                    \
    if (!(condition)) [[unlikely]]                                        \
      ::dohle::assertion_failed(#condition, __FILE__, __LINE__, message); \
  } while (false)

/// The same for what costs: checked unless NDEBUG is defined, as in the test builds.
#ifdef NDEBUG
#define DOHLE_ASSERT_COSTLY(condition, message) \
  do {                                          \
  } while (false && (condition))
#else
#define DOHLE_ASSERT_COSTLY(condition, message) DOHLE_ASSERT(condition, message)
#endif

/// Calls `object.check_invariants()`, which asserts what holds between two events. As costly as
/// that is: called unless NDEBUG is defined.
#ifdef NDEBUG
#define DOHLE_CHECK_INVARIANTS(object) \
  do {                                 \
  } while (false)
#else
#define DOHLE_CHECK_INVARIANTS(object) (object).check_invariants()
#endif
