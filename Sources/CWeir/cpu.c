// SPDX-License-Identifier: Apache-2.0

#include "cpu.h"

#include "CWeir.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
// Kernel interface numbers; their names are missing from some C libraries.
#define HWCAP_BIT_PMULL (1ul << 4)
#define HWCAP_BIT_CRC32 (1ul << 7)
#endif

_Atomic int weir_crc32c_level = WEIR_PORTABLE;
_Atomic int weir_md5_level = WEIR_PORTABLE;

static int detected_crc32c;
static int detected_md5;

// At load, like the tables, so that the hot functions need neither a once-check nor a lock.
__attribute__((constructor)) static void detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) {
        detected_crc32c = WEIR_NARROW;
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq")) {
            detected_crc32c = WEIR_WIDE;
        }
    }
    if (__builtin_cpu_supports("avx2")) {
        detected_md5 = WEIR_NARROW;
        if (__builtin_cpu_supports("avx512f")) {
            detected_md5 = WEIR_WIDE;
        }
    }
#elif defined(__aarch64__) && defined(__linux__)
    unsigned long capabilities = getauxval(AT_HWCAP);
    if ((capabilities & HWCAP_BIT_CRC32) && (capabilities & HWCAP_BIT_PMULL)) {
        detected_crc32c = WEIR_NARROW;
    }
#elif defined(__aarch64__) && defined(__APPLE__)
    // Every processor that runs macOS on arm64 has both instructions.
    detected_crc32c = WEIR_NARROW;
#endif
    weir_cpu_limit(WEIR_WIDE);
}

static int lesser(int a, int b) {
    return a < b ? a : b;
}

int weir_cpu_limit(int level) {
    int crc32c = lesser(level, detected_crc32c);
    int md5 = lesser(level, detected_md5);
    atomic_store_explicit(&weir_crc32c_level, crc32c, memory_order_relaxed);
    atomic_store_explicit(&weir_md5_level, md5, memory_order_relaxed);
    return crc32c > md5 ? crc32c : md5;
}
