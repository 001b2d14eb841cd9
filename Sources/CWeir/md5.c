// SPDX-License-Identifier: Apache-2.0
#include "CWeir.h"

#include <string.h>

// floor(2^32 * |sin(i + 1)|), as the algorithm defines its constants.
static const uint32_t sines[64] = {
    0xd76aa478u, 0xe8c7b756u, 0x242070dbu, 0xc1bdceeeu, 0xf57c0fafu, 0x4787c62au, 0xa8304613u, 0xfd469501u,
    0x698098d8u, 0x8b44f7afu, 0xffff5bb1u, 0x895cd7beu, 0x6b901122u, 0xfd987193u, 0xa679438eu, 0x49b40821u,
    0xf61e2562u, 0xc040b340u, 0x265e5a51u, 0xe9b6c7aau, 0xd62f105du, 0x02441453u, 0xd8a1e681u, 0xe7d3fbc8u,
    0x21e1cde6u, 0xc33707d6u, 0xf4d50d87u, 0x455a14edu, 0xa9e3e905u, 0xfcefa3f8u, 0x676f02d9u, 0x8d2a4c8au,
    0xfffa3942u, 0x8771f681u, 0x6d9d6122u, 0xfde5380cu, 0xa4beea44u, 0x4bdecfa9u, 0xf6bb4b60u, 0xbebfbc70u,
    0x289b7ec6u, 0xeaa127fau, 0xd4ef3085u, 0x04881d05u, 0xd9d4d039u, 0xe6db99e5u, 0x1fa27cf8u, 0xc4ac5665u,
    0xf4292244u, 0x432aff97u, 0xab9423a7u, 0xfc93a039u, 0x655b59c3u, 0x8f0ccc92u, 0xffeff47du, 0x85845dd1u,
    0x6fa87e4fu, 0xfe2ce6e0u, 0xa3014314u, 0x4e0811a1u, 0xf7537e82u, 0xbd3af235u, 0x2ad7d2bbu, 0xeb86d391u,
};

static const uint8_t shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t load_little(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void compress(uint32_t state[4], const uint8_t *block) {
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (unsigned i = 0; i < 64; i++) {
        uint32_t f;
        unsigned word;
        switch (i / 16) {
        case 0:
            f = d ^ (b & (c ^ d));
            word = i;
            break;
        case 1:
            f = c ^ (d & (b ^ c));
            word = (5 * i + 1) % 16;
            break;
        case 2:
            f = b ^ c ^ d;
            word = (3 * i + 5) % 16;
            break;
        default:
            f = c ^ (b | ~d);
            word = (7 * i) % 16;
        }
        unsigned shift = shifts[i / 16][i % 4];
        uint32_t sum = a + f + sines[i] + load_little(block + 4 * word);
        a = d;
        d = c;
        c = b;
        b += sum << shift | sum >> (32 - shift);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

static weir_hash_key hash_one(const uint8_t *key, size_t length) {
    uint32_t state[4] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u};
    size_t offset = 0;
    for (; length - offset >= 64; offset += 64) {
        compress(state, key + offset);
    }
    // The tail, the end mark and the bit count need one block, or two when the tail passes 55 bytes.
    uint8_t tail[128] = {0};
    size_t rest = length - offset;
    if (rest > 0) {
        memcpy(tail, key + offset, rest);
    }
    tail[rest] = 0x80;
    size_t padded = rest < 56 ? 64 : 128;
    uint64_t bits = (uint64_t)length * 8;
    for (int i = 0; i < 8; i++) {
        tail[padded - 8 + (size_t)i] = (uint8_t)(bits >> (8 * i));
    }
    for (size_t at = 0; at < padded; at += 64) {
        compress(state, tail + at);
    }
    // The digest is the state's bytes in little-endian order; as a big-endian number each word is swapped.
    weir_hash_key hash;
    hash.high = (uint64_t)__builtin_bswap32(state[0]) << 32 | __builtin_bswap32(state[1]);
    hash.low = (uint64_t)__builtin_bswap32(state[2]) << 32 | __builtin_bswap32(state[3]);
    return hash;
}

void weir_md5_many(const uint8_t *const *keys, const uint32_t *lengths, size_t count, weir_hash_key *hashes) {
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_one(keys[i], lengths[i]);
    }
}
