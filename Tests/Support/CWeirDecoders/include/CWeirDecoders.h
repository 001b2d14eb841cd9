// SPDX-License-Identifier: Apache-2.0
#ifndef C_WEIR_DECODERS_H
#define C_WEIR_DECODERS_H

#include <stddef.h>

enum { WEIR_DECODER_ZSTD = 1, WEIR_DECODER_GZIP = 2, WEIR_DECODER_LZ4 = 3 };

// Decompresses `input`, which may be several frames or members behind each other, into `output`. Returns the bytes
// made; -1: it is damaged, or ends within a frame; -2: there is no room.
long weir_decode(int kind, const void *input, size_t length, void *output, size_t room);

#endif
