// SPDX-License-Identifier: Apache-2.0
#include "CWeirDecoders.h"

#include <lz4frame.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

static long decode_zstd(const void *input, size_t length, void *output, size_t room) {
    // Takes all frames.
    size_t made = ZSTD_decompress(output, room, input, length);
    if (!ZSTD_isError(made)) return (long)made;
    return ZSTD_getErrorCode(made) == ZSTD_error_dstSize_tooSmall ? -2 : -1;
}

static long decode_gzip(const void *input, size_t length, void *output, size_t room) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (inflateInit2(&stream, 15 + 16) != Z_OK) return -1;
    stream.next_in = (Bytef *)input;
    stream.avail_in = (uInt)length;
    stream.next_out = output;
    stream.avail_out = (uInt)room;
    long result = -1;
    for (;;) {
        int step = inflate(&stream, Z_NO_FLUSH);
        if (step == Z_STREAM_END) {
            if (stream.avail_in == 0) {
                result = (long)(room - stream.avail_out);
                break;
            }
            if (inflateReset(&stream) != Z_OK) break;
        } else if (step != Z_OK) {
            if (step == Z_BUF_ERROR && stream.avail_out == 0) result = -2;
            break;
        }
    }
    inflateEnd(&stream);
    return result;
}

static long decode_lz4(const void *input, size_t length, void *output, size_t room) {
    LZ4F_dctx *context;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) return -1;
    size_t taken = 0, made = 0, hint = 0;
    long result = -1;
    for (;;) {
        if (taken == length) {
            if (hint == 0) result = (long)made;
            break;
        }
        size_t in = length - taken, out = room - made;
        hint = LZ4F_decompress(context, (char *)output + made, &out, (const char *)input + taken, &in, NULL);
        if (LZ4F_isError(hint)) break;
        taken += in;
        made += out;
        if (in == 0 && out == 0) {
            result = made == room ? -2 : -1;
            break;
        }
    }
    LZ4F_freeDecompressionContext(context);
    return result;
}

long weir_decode(int kind, const void *input, size_t length, void *output, size_t room) {
    switch (kind) {
    case WEIR_DECODER_ZSTD: return decode_zstd(input, length, output, room);
    case WEIR_DECODER_GZIP: return decode_gzip(input, length, output, room);
    case WEIR_DECODER_LZ4: return decode_lz4(input, length, output, room);
    default: return -1;
    }
}
