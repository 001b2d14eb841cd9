// SPDX-License-Identifier: Apache-2.0

#include "CWeir.h"
#include "cpu.h"

#include <string.h>

// The Castagnoli polynomial with its bits reflected, as the whole computation is: in a reflected value of n bits,
// bit i is the coefficient of x^(n - 1 - i).
#define POLYNOMIAL 0x82F63B78u

// The longest of three interleaved streams, in words of 8 bytes.
#define STREAM_WORDS 128

// Where multiplications help (below), a round takes this many bytes by them and this many words in each of three
// streams: about the same time for both.
#define BLOCK_BYTES 128
#define ROUND_WORDS 4
#define ROUND_BYTES (BLOCK_BYTES + 3 * 8 * ROUND_WORDS)
#define MOST_ROUNDS 32

// The farthest that a state is carried at once, in words.
#define FARTHEST (MOST_ROUNDS * ROUND_BYTES / 8)

// slices[k][b]: the checksum state b carried over k + 1 bytes.
static uint32_t slices[8][256];

// shifts[i]: x^(64 i - 33) modulo the polynomial. A carry-less product of two reflected 32-bit values, read as a
// reflected 64-bit word, is the product times x, and running the CRC over that word multiplies by x^32. So
// "multiply by shifts[i], then CRC" carries a state over i words of 8 bytes.
static uint32_t shifts[FARTHEST + 1];

__attribute__((constructor)) static void fill_tables(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t state = byte;
        for (int bit = 0; bit < 8; bit++) {
            state = (state >> 1) ^ (POLYNOMIAL & (0u - (state & 1u)));
        }
        slices[0][byte] = state;
    }
    for (int slice = 1; slice < 8; slice++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t state = slices[slice - 1][byte];
            slices[slice][byte] = (state >> 8) ^ slices[0][state & 0xff];
        }
    }
    uint32_t power = 1;  // x^31
    for (int i = 1; i <= FARTHEST; i++) {
        shifts[i] = power;
        for (int byte = 0; byte < 8; byte++) {
            power = (power >> 8) ^ slices[0][power & 0xff];
        }
    }
}

static inline uint64_t load_word(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint32_t update_portable(uint32_t state, const uint8_t *bytes, size_t length) {
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word = load_word(bytes) ^ state;
        state = slices[7][word & 0xff] ^ slices[6][word >> 8 & 0xff] ^ slices[5][word >> 16 & 0xff]
            ^ slices[4][word >> 24 & 0xff] ^ slices[3][word >> 32 & 0xff] ^ slices[2][word >> 40 & 0xff]
            ^ slices[1][word >> 48 & 0xff] ^ slices[0][word >> 56];
    }
    for (; length > 0; bytes++, length--) {
        state = (state >> 8) ^ slices[0][(state ^ *bytes) & 0xff];
    }
    return state;
}

// The instructions that the interleaved path is made of.
#if defined(__x86_64__)
#include <immintrin.h>
#define HAS_INTERLEAVED 1
#define INTERLEAVED __attribute__((target("sse4.2,pclmul")))

INTERLEAVED static inline uint32_t step_byte(uint32_t state, uint8_t byte) {
    return _mm_crc32_u8(state, byte);
}

INTERLEAVED static inline uint64_t step_word(uint64_t state, uint64_t word) {
    return _mm_crc32_u64(state, word);
}

INTERLEAVED static inline uint64_t multiply(uint64_t a, uint32_t b) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)a), _mm_cvtsi32_si128((int)b), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

#elif defined(__aarch64__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ \
    && (defined(__linux__) || defined(__APPLE__))
#include <arm_neon.h>
#define HAS_INTERLEAVED 1
#define INTERLEAVED __attribute__((target("crc,aes")))

INTERLEAVED static inline uint32_t step_byte(uint32_t state, uint8_t byte) {
    return __builtin_arm_crc32cb(state, byte);
}

INTERLEAVED static inline uint64_t step_word(uint64_t state, uint64_t word) {
    return __builtin_arm_crc32cd((uint32_t)state, word);
}

INTERLEAVED static inline uint64_t multiply(uint64_t a, uint32_t b) {
    return vgetq_lane_u64(vreinterpretq_u64_p128(vmull_p64(a, b)), 0);
}
#endif

#ifdef HAS_INTERLEAVED
// Below this the multiplications that join the streams cost more than they save.
#define INTERLEAVED_LEAST 120

// One CRC instruction waits for the one before but three fit in that time: so three thirds of the input run side by
// side. The first two results are carried over what follows them by one multiplication each, added to the last word
// of the third stream, whose own CRC step then reduces them.
INTERLEAVED static uint32_t update_interleaved(uint32_t state, const uint8_t *bytes, size_t length) {
    uint64_t first = state;
    while (length >= INTERLEAVED_LEAST) {
        size_t words = length / 24 < STREAM_WORDS ? length / 24 : STREAM_WORDS;
        size_t last = 8 * (words - 1);
        const uint8_t *second_bytes = bytes + 8 * words;
        const uint8_t *third_bytes = second_bytes + 8 * words;
        uint64_t second = 0, third = 0;
        for (size_t at = 0; at < last; at += 8) {
            first = step_word(first, load_word(bytes + at));
            second = step_word(second, load_word(second_bytes + at));
            third = step_word(third, load_word(third_bytes + at));
        }
        first = step_word(first, load_word(bytes + last));
        second = step_word(second, load_word(second_bytes + last));
        uint64_t carried = multiply(first, shifts[2 * words]) ^ multiply(second, shifts[words]);
        first = step_word(third, load_word(third_bytes + last) ^ carried);
        bytes += 24 * words;
        length -= 24 * words;
    }
    for (; length >= 8; bytes += 8, length -= 8) {
        first = step_word(first, load_word(bytes));
    }
    state = (uint32_t)first;
    for (; length > 0; bytes++, length--) {
        state = step_byte(state, *bytes);
    }
    return state;
}
#endif

#if defined(__x86_64__)
#define FUSED __attribute__((target("avx2,vpclmulqdq,sse4.2,pclmul")))
#define FUSED_LEAST 768

// The factors that carry 16 bytes over `words` words: the earlier 8 bytes have one word more to go.
FUSED static inline __m256i carry_factors(unsigned words) {
    return _mm256_broadcastsi128_si256(_mm_set_epi64x(shifts[words], shifts[words + 1]));
}

// Carries each 16 bytes by the factors and adds what stands there.
FUSED static inline __m256i carry(__m256i value, __m256i factors, __m256i there) {
    __m256i earlier = _mm256_clmulepi64_epi128(value, factors, 0x00);
    __m256i later = _mm256_clmulepi64_epi128(value, factors, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(earlier, there), later);
}

FUSED static inline __m256i load_wide(const uint8_t *bytes) {
    return _mm256_loadu_si256((const void *)bytes);
}

// CRC instructions and carry-less multiplications have execution units of their own, so both work at once: of each
// piece the first part is carried 128 bytes at a time onto the next 128 and added, without reducing (what remains has
// the same CRC as all that went into it), while the rest runs as three streams like above. The starting state only
// enters at the end, so that the processor can begin a piece before the one ahead is done.
FUSED static uint32_t update_fused(uint32_t state, const uint8_t *bytes, size_t length) {
    while (length >= FUSED_LEAST) {
        size_t rounds = length / ROUND_BYTES < MOST_ROUNDS ? length / ROUND_BYTES : MOST_ROUNDS;
        size_t words = ROUND_WORDS * rounds;
        const uint8_t *first_bytes = bytes + BLOCK_BYTES * rounds;
        const uint8_t *second_bytes = first_bytes + 8 * words;
        const uint8_t *third_bytes = second_bytes + 8 * words;
        uint64_t first = 0, second = 0, third = 0;
        __m256i sum0 = load_wide(bytes), sum1 = load_wide(bytes + 32);
        __m256i sum2 = load_wide(bytes + 64), sum3 = load_wide(bytes + 96);
        __m256i factors = carry_factors(BLOCK_BYTES / 8);
        for (size_t round = 1; round < rounds; round++) {
            bytes += BLOCK_BYTES;
            sum0 = carry(sum0, factors, load_wide(bytes));
            sum1 = carry(sum1, factors, load_wide(bytes + 32));
            sum2 = carry(sum2, factors, load_wide(bytes + 64));
            sum3 = carry(sum3, factors, load_wide(bytes + 96));
            for (int word = 0; word < ROUND_WORDS; word++) {
                first = step_word(first, load_word(first_bytes + 8 * word));
                second = step_word(second, load_word(second_bytes + 8 * word));
                third = step_word(third, load_word(third_bytes + 8 * word));
            }
            first_bytes += 8 * ROUND_WORDS;
            second_bytes += 8 * ROUND_WORDS;
            third_bytes += 8 * ROUND_WORDS;
        }
        int last = ROUND_WORDS - 1;
        for (int word = 0; word < last; word++) {
            first = step_word(first, load_word(first_bytes + 8 * word));
            second = step_word(second, load_word(second_bytes + 8 * word));
            third = step_word(third, load_word(third_bytes + 8 * word));
        }
        first = step_word(first, load_word(first_bytes + 8 * last));
        second = step_word(second, load_word(second_bytes + 8 * last));
        factors = carry_factors(64 / 8);
        sum0 = carry(sum0, factors, sum2);
        sum1 = carry(sum1, factors, sum3);
        sum0 = carry(sum0, carry_factors(32 / 8), sum1);
        uint64_t sum = step_word(0, (uint64_t)_mm256_extract_epi64(sum0, 0));
        sum = step_word(sum, (uint64_t)_mm256_extract_epi64(sum0, 1));
        sum = step_word(sum, (uint64_t)_mm256_extract_epi64(sum0, 2));
        sum = step_word(sum, (uint64_t)_mm256_extract_epi64(sum0, 3));
        uint64_t carried = multiply(sum, shifts[3 * words]) ^ multiply(first, shifts[2 * words])
            ^ multiply(second, shifts[words]) ^ load_word(third_bytes + 8 * last)
            ^ multiply(state, shifts[3 * words + BLOCK_BYTES / 8 * rounds]);
        state = (uint32_t)step_word(third, carried);
        bytes = third_bytes + 8 * ROUND_WORDS;
        length -= ROUND_BYTES * rounds;
    }
    return update_interleaved(state, bytes, length);
}
#endif

uint32_t weir_crc32c(uint32_t crc, const void *data, size_t length) {
    const uint8_t *bytes = data;
    uint32_t state = ~crc;
    switch (weir_level(&weir_crc32c_level)) {
#if defined(__x86_64__)
    case WEIR_WIDE:
        return ~update_fused(state, bytes, length);
#endif
#ifdef HAS_INTERLEAVED
    case WEIR_NARROW:
        return ~update_interleaved(state, bytes, length);
#endif
    default:
        return ~update_portable(state, bytes, length);
    }
}
