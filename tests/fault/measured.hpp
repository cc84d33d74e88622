#pragma once

namespace dohle::fault {

#ifndef __has_feature
#define __has_feature(x) 0
#endif
/// Limits on time and memory are checked only in builds without sanitizers.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool is_measured = false;
#else
inline constexpr bool is_measured = true;
#endif

}  // namespace dohle::fault
