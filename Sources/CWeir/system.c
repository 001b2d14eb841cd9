// SPDX-License-Identifier: Apache-2.0

#ifdef __linux__
// For O_DIRECT and the names of threads.
#define _GNU_SOURCE
#endif

#include "CWeir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#ifdef __linux__
#include <sys/timex.h>
#endif
#include <time.h>
#include <unistd.h>

// Calls again while a signal interrupts.
#define RETRY(result, call)                         \
    do {                                            \
        result = (call);                            \
    } while (result == -1 && errno == EINTR)

static int failure(int error) {
    errno = error;
    return -1;
}

int weir_open_direct(const char *path, int flags, int mode) {
#if defined(O_DIRECT) && defined(O_DSYNC)
    int fd;
    RETRY(fd, open(path, flags | O_DIRECT | O_DSYNC | O_CLOEXEC, (mode_t)mode));
    return fd;
#else
    // macOS can keep a file out of the cache, but its O_DSYNC stops at the cache of the drive: only weir_fdatasync
    // is durable there.
    (void)path;
    (void)flags;
    (void)mode;
    return failure(ENOTSUP);
#endif
}

int weir_fallocate(int fd, int64_t offset, int64_t length) {
#ifdef __APPLE__
    if (offset < 0 || length <= 0 || length > INT64_MAX - offset) {
        return failure(EINVAL);
    }
    struct stat status;
    if (fstat(fd, &status) == -1) {
        return -1;
    }
    int64_t end = offset + length;
    if (end <= status.st_size) {
        return 0;
    }
    // Space can only be reserved behind the end of the file.
    fstore_t store = {
        .fst_flags = F_ALLOCATEALL,
        .fst_posmode = F_PEOFPOSMODE,
        .fst_offset = 0,
        .fst_length = end - status.st_size,
    };
    if (fcntl(fd, F_PREALLOCATE, &store) == -1) {
        return -1;
    }
    return ftruncate(fd, end);
#else
    int error;
    do {
        error = posix_fallocate(fd, (off_t)offset, (off_t)length);
    } while (error == EINTR);
    return error == 0 ? 0 : failure(error);
#endif
}

int weir_fdatasync(int fd) {
    int result;
#ifdef __APPLE__
    // fsync leaves the data in the cache of the drive. Some file systems know nothing better.
    RETRY(result, fcntl(fd, F_FULLFSYNC));
    if (result == -1 && (errno == ENOTSUP || errno == ENOTTY || errno == EINVAL)) {
        RETRY(result, fsync(fd));
    }
    return result == -1 ? -1 : 0;
#else
    RETRY(result, fdatasync(fd));
    return result;
#endif
}

int weir_sync_folder(const char *path) {
    int fd;
    RETRY(fd, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd == -1) {
        return -1;
    }
    int result = weir_sync_open_folder(fd);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

int weir_sync_open_folder(int fd) {
    int result;
#ifdef __APPLE__
    result = weir_fdatasync(fd);
#else
    RETRY(result, fsync(fd));
#endif
    return result;
}

int weir_lock_exclusive(int fd) {
    int result;
    RETRY(result, flock(fd, LOCK_EX | LOCK_NB));
    return result;
}

int weir_raise_open_files(uint64_t *limit) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == -1) {
        return -1;
    }
    rlim_t before = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    int result = setrlimit(RLIMIT_NOFILE, &files);
#if defined(__APPLE__) && defined(OPEN_MAX)
    // macOS names no hard limit but refuses more than this.
    if (result == -1 && before < OPEN_MAX) {
        files.rlim_cur = OPEN_MAX;
        result = setrlimit(RLIMIT_NOFILE, &files);
    }
#endif
    if (limit) {
        *limit = result == -1 ? before : files.rlim_cur;
    }
    return result;
}

int64_t weir_resident_bytes(void) {
#ifdef __linux__
    int fd;
    RETRY(fd, open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
    if (fd == -1) {
        return 0;
    }
    char text[128];
    ssize_t length;
    RETRY(length, read(fd, text, sizeof text - 1));
    close(fd);
    if (length <= 0) {
        return 0;
    }
    text[length] = 0;
    // The whole size comes first, then the resident part, in pages.
    char *second = strchr(text, ' ');
    return second ? strtoll(second, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
#else
    return 0;
#endif
}

int weir_free_space(const char *path, uint64_t *free_bytes, uint64_t *total_bytes) {
    struct statvfs space;
    int result;
    RETRY(result, statvfs(path, &space));
    if (result == -1) {
        return -1;
    }
    // Some systems leave the fragment size out; the counts are in blocks then.
    uint64_t unit = space.f_frsize ? space.f_frsize : space.f_bsize;
    *free_bytes = (uint64_t)space.f_bavail * unit;
    *total_bytes = (uint64_t)space.f_blocks * unit;
    return 0;
}

int weir_drop_page_cache(int fd, int64_t offset, int64_t length) {
#ifdef POSIX_FADV_DONTNEED
    int error = posix_fadvise(fd, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
    return error == 0 ? 0 : failure(error);
#else
    (void)fd;
    (void)offset;
    (void)length;
    return 0;
#endif
}

int weir_prefetch(int fd, int64_t offset, int64_t length) {
#ifdef POSIX_FADV_WILLNEED
    int error = posix_fadvise(fd, (off_t)offset, (off_t)length, POSIX_FADV_WILLNEED);
    return error == 0 ? 0 : failure(error);
#else
    (void)fd;
    (void)offset;
    (void)length;
    return 0;
#endif
}

uint64_t weir_monotonic_nanoseconds(void) {
    struct timespec time;
#ifdef CLOCK_BOOTTIME
    // Goes on while the system sleeps, which CLOCK_MONOTONIC does not on Linux.
    clock_gettime(CLOCK_BOOTTIME, &time);
#else
    clock_gettime(CLOCK_MONOTONIC, &time);
#endif
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

bool weir_clock_is_synchronized(void) {
#ifdef __linux__
    struct timex state = {.modes = 0};
    int result = adjtimex(&state);
    return result != -1 && result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
#else
    return false;
#endif
}

int64_t weir_wall_milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// Linux takes names of up to 15 bytes and refuses longer ones.
#define NAME_BYTES 16

struct start {
    void (*body)(void *);
    void *context;
    char name[NAME_BYTES];
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    // From within, as macOS only lets a thread name itself; a thread without its name still does its work.
#if defined(__APPLE__)
    pthread_setname_np(start.name);
#elif defined(__linux__)
    pthread_setname_np(pthread_self(), start.name);
#endif
    start.body(start.context);
    return NULL;
}

int weir_thread_start(void (*body)(void *), void *context, const char *name) {
    struct start *start = calloc(1, sizeof *start);
    if (!start) {
        return ENOMEM;
    }
    start->body = body;
    start->context = context;
    if (name) {
        size_t length = strlen(name);
        memcpy(start->name, name, length < NAME_BYTES ? length : NAME_BYTES - 1);
    }
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error == 0) {
        pthread_t thread;
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        error = pthread_create(&thread, &attributes, run, start);
        pthread_attr_destroy(&attributes);
    }
    if (error != 0) {
        free(start);
    }
    return error;
}

void *weir_aligned_alloc(size_t alignment, size_t length) {
    // posix_memalign says so too, but under a sanitizer a wrong alignment ends the process.
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) {
        return NULL;
    }
    void *memory = NULL;
    int error = posix_memalign(&memory, alignment, length);
    return error == 0 ? memory : NULL;
}

void weir_aligned_free(void *memory) {
    free(memory);
}
