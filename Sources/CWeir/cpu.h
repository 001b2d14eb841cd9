// SPDX-License-Identifier: Apache-2.0
#ifndef WEIR_CPU_H
#define WEIR_CPU_H

#include <stdatomic.h>

// What each function may use; the numbers are those of weir_cpu_limit.
enum { WEIR_PORTABLE = 0, WEIR_NARROW = 1, WEIR_WIDE = 2 };

// Atomic because tests move them while other threads may hash; every level gives the same results, so no order is
// needed between threads.
extern _Atomic int weir_crc32c_level;
extern _Atomic int weir_md5_level;

static inline int weir_level(_Atomic int *level) {
    return atomic_load_explicit(level, memory_order_relaxed);
}

#endif
