// SPDX-License-Identifier: Apache-2.0

#include "CWeir.h"
#include "cpu.h"

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

static const uint32_t first_state[4] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u};

// The four mixing functions, formed so that b, the value computed last, is needed as late as possible. They, and the
// steps below, work on one uint32_t or on a vector of them.
#define MIX_F(b, c, d) (((c ^ d) & b) ^ d)
#define MIX_G(b, c, d) ((~d & c) + (d & b))
#define MIX_H(b, c, d) ((c ^ d) ^ b)
#define MIX_I(b, c, d) ((~d | b) ^ c)

#define STEP(mix, a, b, c, d, i, word, shift)                             \
    FOR_EACH_GROUP(g) {                                                   \
        a[g] = (a[g] + (WORD(word, g) + sines[i])) + mix(b[g], c[g], d[g]); \
        a[g] = (a[g] << shift | a[g] >> (32 - shift)) + b[g];             \
    }

// Four steps turn the roles of a, b, c, d once. Step i takes word start + i * stride, modulo 16.
#define FOUR_STEPS(mix, i, start, stride, s0, s1, s2, s3)                    \
    STEP(mix, a, b, c, d, (i), (start + (i) * stride) % 16, s0)              \
    STEP(mix, d, a, b, c, (i) + 1, (start + ((i) + 1) * stride) % 16, s1)    \
    STEP(mix, c, d, a, b, (i) + 2, (start + ((i) + 2) * stride) % 16, s2)    \
    STEP(mix, b, c, d, a, (i) + 3, (start + ((i) + 3) * stride) % 16, s3)

#define SIXTEEN_STEPS(mix, i, start, stride, s0, s1, s2, s3)         \
    FOUR_STEPS(mix, (i), start, stride, s0, s1, s2, s3)              \
    FOUR_STEPS(mix, (i) + 4, start, stride, s0, s1, s2, s3)          \
    FOUR_STEPS(mix, (i) + 8, start, stride, s0, s1, s2, s3)          \
    FOUR_STEPS(mix, (i) + 12, start, stride, s0, s1, s2, s3)

#define ALL_STEPS                                     \
    SIXTEEN_STEPS(MIX_F, 0, 0, 1, 7, 12, 17, 22)      \
    SIXTEEN_STEPS(MIX_G, 16, 1, 5, 5, 9, 14, 20)      \
    SIXTEEN_STEPS(MIX_H, 32, 5, 3, 4, 11, 16, 23)     \
    SIXTEEN_STEPS(MIX_I, 48, 0, 7, 6, 10, 15, 21)

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LITTLE_ENDIAN_WORD(word) __builtin_bswap32(word)
#define BIG_ENDIAN_WORD(word) (word)
#define IS_LITTLE_ENDIAN 0
#else
#define LITTLE_ENDIAN_WORD(word) (word)
#define IS_LITTLE_ENDIAN 1
#endif

// One key at a time.

#define FOR_EACH_GROUP(g) for (int g = 0; g < 1; g++)
#define WORD(word, g) words[word]

static void compress(uint32_t state[4], const uint8_t *block) {
    uint32_t words[16];
    for (int i = 0; i < 16; i++) {
        uint32_t word;
        memcpy(&word, block + 4 * i, sizeof word);
        words[i] = LITTLE_ENDIAN_WORD(word);
    }
    uint32_t a[1] = {state[0]}, b[1] = {state[1]}, c[1] = {state[2]}, d[1] = {state[3]};
    ALL_STEPS
    state[0] += a[0];
    state[1] += b[0];
    state[2] += c[0];
    state[3] += d[0];
}

#undef FOR_EACH_GROUP
#undef WORD

// The digest is the state's words in little-endian order; read as a big-endian number, each word's bytes turn.
static inline weir_hash_key hash_key(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    weir_hash_key hash;
    hash.low = __builtin_bswap64((uint64_t)d << 32 | c);
    hash.high = __builtin_bswap64((uint64_t)b << 32 | a);
    return hash;
}

// A key fills its blocks, an end mark and its bit count follow: at least 9 bytes.
static inline size_t blocks_of(uint32_t length) {
    return ((size_t)length + 8) / 64 + 1;
}

// Copies fewer than 64 bytes by at most two moves, which overlap where the length is not theirs: a call of memcpy
// with a length that is not constant takes longer than all else that a short key needs.
static inline void copy_rest(uint8_t *to, const uint8_t *from, size_t length) {
    if (length >= 32) {
        memcpy(to, from, 32);
        memcpy(to + length - 32, from + length - 32, 32);
    } else if (length >= 16) {
        memcpy(to, from, 16);
        memcpy(to + length - 16, from + length - 16, 16);
    } else if (length >= 8) {
        memcpy(to, from, 8);
        memcpy(to + length - 8, from + length - 8, 8);
    } else if (length >= 4) {
        memcpy(to, from, 4);
        memcpy(to + length - 4, from + length - 4, 4);
    } else if (length > 0) {
        to[0] = from[0];
        to[length / 2] = from[length / 2];
        to[length - 1] = from[length - 1];
    }
}

// Writes block number `block` of the padded key.
static inline void fill_block(uint8_t *to, const uint8_t *key, uint32_t length, size_t block) {
    size_t offset = 64 * block;
    if (length >= offset + 64) {
        memcpy(to, key + offset, 64);
        return;
    }
    memset(to, 0, 64);
    if (length >= offset) {
        size_t rest = length - offset;
        copy_rest(to, key + offset, rest);
        to[rest] = 0x80;
    }
    if (block + 1 == blocks_of(length)) {
        uint64_t bits = (uint64_t)length * 8;
        for (int i = 0; i < 8; i++) {
            to[56 + i] = (uint8_t)(bits >> (8 * i));
        }
    }
}

static weir_hash_key hash_one(const uint8_t *key, uint32_t length) {
    uint32_t state[4];
    memcpy(state, first_state, sizeof state);
    size_t whole = length / 64;
    for (size_t block = 0; block < whole; block++) {
        compress(state, key + 64 * block);
    }
    for (size_t block = whole; block < blocks_of(length); block++) {
        uint8_t padded[64];
        fill_block(padded, key, length, block);
        compress(state, padded);
    }
    return hash_key(state[0], state[1], state[2], state[3]);
}

// Many keys at a time, one in each lane of a vector. The loads below take words in the processor's order.

#if IS_LITTLE_ENDIAN
#define HAS_LANES 1

// Keys share lanes with those that need as many blocks. 17 blocks hold 1,024 bytes and their padding: 256 characters
// of UTF-8.
#define MOST_BLOCKS 17

typedef uint32_t word_quad __attribute__((vector_size(16)));

static inline word_quad load_quad(const void *from) {
    word_quad quad;
    memcpy(&quad, from, sizeof quad);
    return quad;
}

// Gathers 16 bytes at `offset` of the blocks of `lanes` keys into four rows, one for each word, a column for each key.
static inline __attribute__((always_inline)) void turn(
    uint32_t *rows, const uint8_t *blocks, size_t lanes, size_t offset) {
    for (size_t lane = 0; lane < lanes; lane += 4) {
        const uint8_t *from = blocks + 64 * lane + offset;
        word_quad k0 = load_quad(from), k1 = load_quad(from + 64);
        word_quad k2 = load_quad(from + 128), k3 = load_quad(from + 192);
        word_quad low01 = __builtin_shufflevector(k0, k1, 0, 4, 1, 5);
        word_quad low23 = __builtin_shufflevector(k2, k3, 0, 4, 1, 5);
        word_quad high01 = __builtin_shufflevector(k0, k1, 2, 6, 3, 7);
        word_quad high23 = __builtin_shufflevector(k2, k3, 2, 6, 3, 7);
        word_quad r0 = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
        word_quad r1 = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
        word_quad r2 = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
        word_quad r3 = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
        memcpy(rows + lane, &r0, sizeof r0);
        memcpy(rows + lanes + lane, &r1, sizeof r1);
        memcpy(rows + 2 * lanes + lane, &r2, sizeof r2);
        memcpy(rows + 3 * lanes + lane, &r3, sizeof r3);
    }
}

// One key in each lane of as many vectors as GROUPS says, side by side: the steps of one vector wait for each other
// longer than the processor needs to do them. Few keys are faster in one vector.

#define LANES 4
#define GROUPS 1
#define NAMED(name) name##_4_1
#define TARGET
#include "md5_lanes.h"

#define LANES 4
#define GROUPS 2
#define NAMED(name) name##_4_2
#define TARGET
#include "md5_lanes.h"

#if defined(__x86_64__)
#define LANES 8
#define GROUPS 1
#define NAMED(name) name##_8_1
#define TARGET __attribute__((target("avx2")))
#include "md5_lanes.h"

#define LANES 8
#define GROUPS 3
#define NAMED(name) name##_8_3
#define TARGET __attribute__((target("avx2")))
#include "md5_lanes.h"

// AVX-512 does any function of three inputs in one instruction (the number is its truth table), which compilers do not
// always find.
#include <immintrin.h>
#undef MIX_F
#undef MIX_G
#undef MIX_H
#undef MIX_I
#define TERNARY(b, c, d, table) \
    ((__typeof__(b))_mm512_ternarylogic_epi32((__m512i)(b), (__m512i)(c), (__m512i)(d), table))
#define MIX_F(b, c, d) TERNARY(b, c, d, 0xca)
#define MIX_G(b, c, d) TERNARY(d, b, c, 0xca)
#define MIX_H(b, c, d) TERNARY(b, c, d, 0x96)
#define MIX_I(b, c, d) TERNARY(b, c, d, 0x39)

#define LANES 16
#define GROUPS 1
#define NAMED(name) name##_16_1
#define TARGET __attribute__((target("avx512f")))
#include "md5_lanes.h"

#define LANES 16
#define GROUPS 2
#define NAMED(name) name##_16_2
#define TARGET __attribute__((target("avx512f")))
#include "md5_lanes.h"
#endif

typedef void lane_hash(const uint8_t *const *keys, const uint32_t *lengths, const size_t *indexes, size_t count,
    size_t blocks, weir_hash_key *hashes);

#define MOST_LANES 32

struct lanes {
    lane_hash *many;
    size_t many_count;
    lane_hash *few;
    size_t few_count;
};

static void hash_in_lanes(const uint8_t *const *keys, const uint32_t *lengths, size_t count, weir_hash_key *hashes,
    const struct lanes *lanes) {
    // waiting[b]: the indexes of keys of b + 1 blocks, until there are enough of them.
    size_t waiting[MOST_BLOCKS][MOST_LANES];
    size_t waiting_counts[MOST_BLOCKS] = {0};
    for (size_t i = 0; i < count; i++) {
        size_t blocks = blocks_of(lengths[i]);
        if (blocks > MOST_BLOCKS) {
            hashes[i] = hash_one(keys[i], lengths[i]);
            continue;
        }
        size_t *indexes = waiting[blocks - 1];
        size_t *waiting_count = &waiting_counts[blocks - 1];
        indexes[(*waiting_count)++] = i;
        if (*waiting_count == lanes->many_count) {
            lanes->many(keys, lengths, indexes, lanes->many_count, blocks, hashes);
            *waiting_count = 0;
        }
    }
    for (size_t blocks = 1; blocks <= MOST_BLOCKS; blocks++) {
        const size_t *indexes = waiting[blocks - 1];
        size_t rest = waiting_counts[blocks - 1];
        if (rest > lanes->few_count) {
            lanes->many(keys, lengths, indexes, rest, blocks, hashes);
        } else if (rest > 1) {
            lanes->few(keys, lengths, indexes, rest, blocks, hashes);
        } else if (rest == 1) {
            hashes[*indexes] = hash_one(keys[*indexes], lengths[*indexes]);
        }
    }
}
#endif

void weir_md5_many(const uint8_t *const *keys, const uint32_t *lengths, size_t count, weir_hash_key *hashes) {
#ifdef HAS_LANES
    struct lanes lanes = {hash_lanes_4_2, 8, hash_lanes_4_1, 4};
#if defined(__x86_64__)
    int level = weir_level(&weir_md5_level);
    if (level >= WEIR_WIDE) {
        lanes = (struct lanes){hash_lanes_16_2, 32, hash_lanes_16_1, 16};
    } else if (level == WEIR_NARROW) {
        lanes = (struct lanes){hash_lanes_8_3, 24, hash_lanes_8_1, 8};
    }
#endif
    hash_in_lanes(keys, lengths, count, hashes, &lanes);
#else
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_one(keys[i], lengths[i]);
    }
#endif
}
