// SPDX-License-Identifier: Apache-2.0
#include "CWeirCodecs.h"

#include <libdeflate.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct weir_codec {
    int kind;
    ZSTD_CCtx *zstd;
    struct libdeflate_compressor *gzip;
    // Of the member that is not whole yet.
    char *held;
    size_t held_bytes;
    LZ4F_cctx *lz4;
    LZ4F_preferences_t lz4_preferences;
    int has_begun;
};

// What one step of lz4 takes at most: its output has room whatever the input is.
enum { LZ4_STEP = 65536 };
// Bytes of a member of gzip, before it is compressed: deflate looks back 32 KiB only, so larger ones are hardly better.
// What becomes of one fits into WEIR_CODEC_ROOM.
enum { GZIP_MEMBER = 245760 };

static int open_zstd(weir_codec *codec, int level) {
    if (level < 1 || level > 19) return 0;
    codec->zstd = ZSTD_createCCtx();
    return codec->zstd != NULL
           && !ZSTD_isError(ZSTD_CCtx_setParameter(codec->zstd, ZSTD_c_compressionLevel, level))
           && !ZSTD_isError(ZSTD_CCtx_setParameter(codec->zstd, ZSTD_c_checksumFlag, 1));
}

static int open_gzip(weir_codec *codec, int level) {
    if (level < 1 || level > 9) return 0;
    codec->gzip = libdeflate_alloc_compressor(level);
    codec->held = malloc(GZIP_MEMBER);
    return codec->gzip != NULL && codec->held != NULL
           && libdeflate_gzip_compress_bound(codec->gzip, GZIP_MEMBER) <= WEIR_CODEC_ROOM;
}

static int open_lz4(weir_codec *codec, int level) {
    if (level < 1 || level > 12) return 0;
    codec->lz4_preferences.frameInfo.blockSizeID = LZ4F_max64KB;
    codec->lz4_preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    codec->lz4_preferences.compressionLevel = level;
    return !LZ4F_isError(LZ4F_createCompressionContext(&codec->lz4, LZ4F_VERSION));
}

weir_codec *weir_codec_create(int kind, int level) {
    weir_codec *codec = calloc(1, sizeof *codec);
    if (codec == NULL) return NULL;
    codec->kind = kind;
    int is_open = kind == WEIR_CODEC_ZSTD   ? open_zstd(codec, level)
                  : kind == WEIR_CODEC_GZIP ? open_gzip(codec, level)
                  : kind == WEIR_CODEC_LZ4  ? open_lz4(codec, level)
                                            : 0;
    if (is_open) return codec;
    weir_codec_free(codec);
    return NULL;
}

void weir_codec_free(weir_codec *codec) {
    if (codec == NULL) return;
    if (codec->kind == WEIR_CODEC_ZSTD) ZSTD_freeCCtx(codec->zstd);
    if (codec->gzip != NULL) libdeflate_free_compressor(codec->gzip);
    free(codec->held);
    if (codec->kind == WEIR_CODEC_LZ4) LZ4F_freeCompressionContext(codec->lz4);
    free(codec);
}

static int step_zstd(weir_codec *codec, const void *input, size_t length, size_t *taken, void *output, size_t room,
                     size_t *made, int end) {
    ZSTD_inBuffer in = {input, length, 0};
    ZSTD_outBuffer out = {output, room, 0};
    size_t left = ZSTD_compressStream2(codec->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left)) return -1;
    *taken = in.pos;
    *made = out.pos;
    return in.pos == in.size && (!end || left == 0);
}

static int step_gzip(weir_codec *codec, const void *input, size_t length, size_t *taken, void *output, size_t room,
                     size_t *made, int end) {
    size_t in = length < GZIP_MEMBER - codec->held_bytes ? length : GZIP_MEMBER - codec->held_bytes;
    if (in > 0) memcpy(codec->held + codec->held_bytes, input, in);
    codec->held_bytes += in;
    *taken = in;
    int is_last = end && in == length;
    // A frame without anything in it is one empty member.
    if (codec->held_bytes == GZIP_MEMBER || (is_last && (codec->held_bytes > 0 || !codec->has_begun))) {
        *made = libdeflate_gzip_compress(codec->gzip, codec->held, codec->held_bytes, output, room);
        if (*made == 0) return -1;
        codec->held_bytes = 0;
        codec->has_begun = 1;
    }
    return in == length;
}

static int step_lz4(weir_codec *codec, const void *input, size_t length, size_t *taken, void *output, size_t room,
                    size_t *made, int end) {
    size_t in = length > LZ4_STEP ? LZ4_STEP : length;
    size_t at = 0;
    if (!codec->has_begun) {
        size_t header = LZ4F_compressBegin(codec->lz4, output, room, &codec->lz4_preferences);
        if (LZ4F_isError(header)) return -1;
        codec->has_begun = 1;
        at = header;
    }
    if (in > 0) {
        size_t body = LZ4F_compressUpdate(codec->lz4, (char *)output + at, room - at, input, in, NULL);
        if (LZ4F_isError(body)) return -1;
        at += body;
    }
    *taken = in;
    *made = at;
    if (in < length) return 0;
    if (!end) return 1;
    size_t tail = LZ4F_compressEnd(codec->lz4, (char *)output + at, room - at, NULL);
    if (LZ4F_isError(tail)) return -1;
    *made = at + tail;
    return 1;
}

int weir_codec_step(weir_codec *codec, const void *input, size_t length, size_t *taken, void *output, size_t room,
                    size_t *made, int end) {
    *taken = 0;
    *made = 0;
    switch (codec->kind) {
    case WEIR_CODEC_ZSTD: return step_zstd(codec, input, length, taken, output, room, made, end);
    case WEIR_CODEC_GZIP: return step_gzip(codec, input, length, taken, output, room, made, end);
    case WEIR_CODEC_LZ4: return step_lz4(codec, input, length, taken, output, room, made, end);
    default: return -1;
    }
}
