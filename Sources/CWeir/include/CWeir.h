// SPDX-License-Identifier: Apache-2.0
#ifndef WEIR_C_H
#define WEIR_C_H

#include <stdbool.h>
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

// System calls that Swift cannot reach, or that differ between systems. Those that return int give 0 or a descriptor,
// or -1 and errno, unless they say otherwise.

/// Opens a file whose writes pass the page cache and are durable when they return (O_DIRECT and O_DSYNC, and
/// O_CLOEXEC); -1 and errno where the file system or the system has no such files.
int weir_open_direct(const char *path, int flags, int mode);

/// Makes sure that the file has space for this range, and is at least as long.
int weir_fallocate(int fd, int64_t offset, int64_t length);

/// Makes the file's data, and what is needed to find it again, durable.
int weir_fdatasync(int fd);

/// Makes the names in a folder durable: after files were created, renamed or removed there.
int weir_sync_folder(const char *path);

/// As above, of a folder that is open for reading.
int weir_sync_open_folder(int fd);

/// Takes the lock of an open file for this process, without waiting: EWOULDBLOCK if somebody else holds it.
int weir_lock_exclusive(int fd);

/// Raises the number of files that may be open as far as the system allows; `limit`, if given, receives it.
int weir_raise_open_files(uint64_t *limit);

/// The memory of this process that is resident now; 0 where it cannot be found out.
int64_t weir_resident_bytes(void);

/// The bytes that an ordinary user may still write to the file system of `path`, and its size.
int weir_free_space(const char *path, uint64_t *free_bytes, uint64_t *total_bytes);

/// Advises that this range of the file will not be read soon; does nothing where there is no such advice.
int weir_drop_page_cache(int fd, int64_t offset, int64_t length);

/// Advises that this range of the file will be read soon; does nothing where there is no such advice.
int weir_prefetch(int fd, int64_t offset, int64_t length);

/// A clock that only runs forward, also while the system sleeps; its zero means nothing.
uint64_t weir_monotonic_nanoseconds(void);

/// Whether the system says that its wall clock follows a time server; false where it cannot tell.
bool weir_clock_is_synchronized(void);

/// Milliseconds since 1970, as the system knows the time: may jump.
int64_t weir_wall_milliseconds(void);

/// Runs `body` on a thread of its own that nobody joins; a longer name is cut. Returns 0 or an errno value.
int weir_thread_start(void (*body)(void *), void *context, const char *name);

/// Memory at a multiple of `alignment`, a power of two that is a multiple of a pointer's size; NULL if there is none.
void *weir_aligned_alloc(size_t alignment, size_t length);

/// Gives back what weir_aligned_alloc gave.
void weir_aligned_free(void *memory);

/// A pipe, reading end first, whose ends no program that is started inherits. 0, or -1 and errno.
int weir_pipe(int ends[2]);

/// Starts the program `path`, which is not looked for, with these two files as its standard input and output, the
/// standard error of this process, no signal blocked or ignored, and in a process group of its own, so that Ctrl-C on
/// the terminal does not reach it. Returns 0 and its process id, or an errno value.
int weir_spawn(const char *path, char *const arguments[], int input, int output, int *process);

#endif
