// SPDX-License-Identifier: Apache-2.0
// Included by md5.c once for each width, with LANES, GROUPS, NAMED and TARGET defined: a template. The width has to be
// known when compiling, and a function can only use wide registers if it is compiled for them.

#define WIDTH (LANES * GROUPS)

typedef uint32_t NAMED(vector) __attribute__((vector_size(4 * LANES)));

#define FOR_EACH_GROUP(g) _Pragma("clang loop unroll(full)") for (int g = 0; g < GROUPS; g++)
#define WORD(word, g) words[word][g]

// Not inlined: within the loop over blocks the compiler would keep all 64 constants at hand by spilling them.
TARGET __attribute__((noinline)) static void NAMED(compress)(
    NAMED(vector) state[4][GROUPS], const NAMED(vector) words[16][GROUPS]) {
    NAMED(vector) a[GROUPS], b[GROUPS], c[GROUPS], d[GROUPS];
    FOR_EACH_GROUP(g) {
        a[g] = state[0][g];
        b[g] = state[1][g];
        c[g] = state[2][g];
        d[g] = state[3][g];
    }
    ALL_STEPS
    FOR_EACH_GROUP(g) {
        state[0][g] += a[g];
        state[1][g] += b[g];
        state[2][g] += c[g];
        state[3][g] += d[g];
    }
}

// Hashes the `count` keys, at most WIDTH, with these indexes, which all need `blocks` blocks.
TARGET static void NAMED(hash_lanes)(const uint8_t *const *keys, const uint32_t *lengths, const size_t *indexes,
    size_t count, size_t blocks, weir_hash_key *hashes) {
    _Alignas(64) uint8_t padded[WIDTH][64];
    _Alignas(64) NAMED(vector) words[16][GROUPS];
    _Alignas(64) NAMED(vector) state[4][GROUPS];
    FOR_EACH_GROUP(g) {
        for (int i = 0; i < 4; i++) {
            state[i][g] = first_state[i] - (NAMED(vector)){0};
        }
    }
    if (count < WIDTH) {
        memset(padded[count], 0, 64 * (WIDTH - count));
    }
    for (size_t block = 0; block < blocks; block++) {
        for (size_t lane = 0; lane < count; lane++) {
            fill_block(padded[lane], keys[indexes[lane]], lengths[indexes[lane]], block);
        }
        for (size_t quarter = 0; quarter < 4; quarter++) {
            turn((uint32_t *)words[4 * quarter], padded[0], WIDTH, 16 * quarter);
        }
        NAMED(compress)(state, (const NAMED(vector)(*)[GROUPS])words);
    }
    uint32_t rows[4][WIDTH];
    memcpy(rows, state, sizeof rows);
    for (size_t lane = 0; lane < count; lane++) {
        hashes[indexes[lane]] = hash_key(rows[0][lane], rows[1][lane], rows[2][lane], rows[3][lane]);
    }
}

#undef FOR_EACH_GROUP
#undef WORD
#undef WIDTH
#undef LANES
#undef GROUPS
#undef NAMED
#undef TARGET
