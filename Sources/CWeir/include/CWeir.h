// SPDX-License-Identifier: Apache-2.0
#ifndef WEIR_C_H
#define WEIR_C_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli), finalised form: weir_crc32c(0, "123456789", 9) == 0xE3069283, and
/// weir_crc32c(weir_crc32c(0, a, n), b, m) is the checksum of a followed by b.
uint32_t weir_crc32c(uint32_t crc, const void *data, size_t length);

/// An MD5 digest read as an unsigned big-endian 128-bit number: `high` holds its first 8 bytes.
typedef struct {
    uint64_t low;
    uint64_t high;
} weir_hash_key;

/// Hashes `count` keys at once; keys[i] has lengths[i] bytes. Chooses the widest lanes of the processor at run time.
void weir_md5_many(const uint8_t *const *keys, const uint32_t *lengths, size_t count, weir_hash_key *hashes);

/// For tests and benchmarks: lets both functions use no more than this (0 portable; 1 SSE4.2 and AVX2, or the CRC
/// instructions of arm64; 2 AVX-512 and VPCLMULQDQ) and returns the highest level that is now in use.
int weir_cpu_limit(int level);

#endif
