// SPDX-License-Identifier: Apache-2.0
// The compressors of the system behind one form: bytes in, bytes out, in steps as large as there is room.
#ifndef CWEIR_CODECS_H
#define CWEIR_CODECS_H

#include <stddef.h>

typedef struct weir_codec weir_codec;

enum { WEIR_CODEC_ZSTD = 1, WEIR_CODEC_GZIP = 2, WEIR_CODEC_LZ4 = 3 };

/// Room that a step needs for its output, in bytes; more makes fewer steps.
enum { WEIR_CODEC_ROOM = 262144 };

/// NULL: no memory, or no such level (zstd 1 to 19, gzip 1 to 9, lz4 1 to 12).
weir_codec *weir_codec_create(int kind, int level);
void weir_codec_free(weir_codec *codec);

/// Takes some of `input` and makes some output, at most `room` bytes, which is at least WEIR_CODEC_ROOM. `end`: nothing
/// comes behind this input, and what was begun is to be a whole frame. Returns 1 when all of it was done, 0 when it is
/// to be called again with the rest, -1 when the library refuses.
int weir_codec_step(weir_codec *codec, const void *input, size_t length, size_t *taken, void *output, size_t room,
                    size_t *made, int end);

#endif
