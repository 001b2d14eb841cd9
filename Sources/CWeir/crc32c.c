// SPDX-License-Identifier: Apache-2.0
#include "CWeir.h"

// Reflected Castagnoli polynomial.
#define POLYNOMIAL 0x82F63B78u

uint32_t weir_crc32c(uint32_t crc, const void *data, size_t length) {
    const uint8_t *bytes = data;
    uint32_t state = ~crc;
    for (size_t i = 0; i < length; i++) {
        state ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            state = (state >> 1) ^ (POLYNOMIAL & (0u - (state & 1u)));
        }
    }
    return ~state;
}
