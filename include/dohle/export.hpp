#pragma once

// Marks what the shared library exports; everything else is hidden.
#if defined(DOHLE_SHARED)
#define DOHLE_API __attribute__((visibility("default")))
#else
#define DOHLE_API
#endif
