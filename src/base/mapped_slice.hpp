#pragma once

#include "base/slice.hpp"

namespace dohle {

/// A copy of the bytes in pages of its own. They return to the system when the last Slice of them
/// goes, which takes time for these pages alone. Freed blocks of the heap join, and the system may
/// get hundreds of megabytes of them back within the call that frees one more. On the heap if the
/// system gives no pages.
[[nodiscard]] Slice mapped_copy_of(Bytes bytes);

}  // namespace dohle
