// SPDX-License-Identifier: Apache-2.0
// Preloaded into the program under test: stands between it and the system's clock and files, and lets calls fail as the
// page says. The harness compiles it at run time behind CWeirFaults.h; it is no part of any build.
#define CALL __attribute__((visibility("default")))

static struct weir_fault_page *page;

__attribute__((constructor)) static void find_page(void) {
    const char *path = getenv(WEIR_FAULT_VARIABLE);
    if (!path) return;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) return;
    void *memory = mmap(NULL, WEIR_FAULT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return;
    page = memory;
    page->numbers[WEIR_FAULT_LOADED] = 1;
}

static int64_t number(enum weir_fault fault) { return page ? page->numbers[fault] : 0; }

// Takes one of what is left of an order.
static int take(enum weir_fault fault) {
    int64_t left = number(fault);
    while (left > 0)
        if (atomic_compare_exchange_strong(&page->numbers[fault], &left, left - 1)) return 1;
    return 0;
}

static void true_time(struct timespec *time) { syscall(SYS_clock_gettime, CLOCK_REALTIME, time); }

static ssize_t fail_write(void) {
    page->numbers[WEIR_FAULT_FAILED_WRITES]++;
    errno = EIO;
    return -1;
}

static ssize_t fail_commit(void) {
    struct timespec time;
    true_time(&time);
    page->numbers[WEIR_FAULT_LAST_FAILED_MILLIS] = (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
    page->numbers[WEIR_FAULT_FAILED_COMMITS]++;
    return fail_write();
}

static int is_named(int file, const char *part) {
    char link[64], path[1024];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    return strstr(name ? name : path, part) != NULL;
}

// Only now and then a fault is ordered: the names of files are asked for only then.
static int is_armed(void) {
    return number(WEIR_FAULT_COMMITS_LOST) | number(WEIR_FAULT_COMMITS_LANDED) | number(WEIR_FAULT_FOOTERS)
        | number(WEIR_FAULT_SNAPSHOTS) | number(WEIR_FAULT_STALL) | number(WEIR_FAULT_NO_SPACE)
        | number(WEIR_FAULT_FILES_NO_SPACE);
}

// What the bytes of a segment are tells their beginning (docs/data-folder.md).
static int begins(const void *bytes, size_t count, const char *magic) {
    size_t length = strlen(magic);
    return count >= length && memcmp(bytes, magic, length) == 0;
}

static ssize_t write_at(int file, const void *bytes, size_t count, off_t offset) {
    if (is_armed()) {
        if (is_named(file, "segment-")) {
            if (number(WEIR_FAULT_STALL)) {
                page->numbers[WEIR_FAULT_WAITING]++;
                while (number(WEIR_FAULT_STALL)) usleep(2000);
                page->numbers[WEIR_FAULT_WAITING]--;
            }
            if (begins(bytes, count, "WCM1")) {
                if (number(WEIR_FAULT_NO_SPACE)) {
                    page->numbers[WEIR_FAULT_FAILED_WRITES]++;
                    errno = ENOSPC;
                    return -1;
                }
                if (take(WEIR_FAULT_COMMITS_LOST)) return fail_commit();
                if (take(WEIR_FAULT_COMMITS_LANDED)) {
                    syscall(SYS_pwrite64, file, bytes, count, offset);
                    return fail_commit();
                }
            } else if (begins(bytes, count, "WIRFOOT1") && is_named(file, page->name) && take(WEIR_FAULT_FOOTERS)) {
                return fail_write();
            }
        } else if (is_named(file, "snapshot-") && take(WEIR_FAULT_SNAPSHOTS)) {
            return fail_write();
        } else if (number(WEIR_FAULT_FILES_NO_SPACE) && is_named(file, "-shardId-")) {
            // The last block that there is takes a part.
            if (count > 1) return syscall(SYS_pwrite64, file, bytes, count / 2, offset);
            page->numbers[WEIR_FAULT_FAILED_WRITES]++;
            errno = ENOSPC;
            return -1;
        }
    }
    return syscall(SYS_pwrite64, file, bytes, count, offset);
}

CALL ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return write_at(file, bytes, count, offset);
}
CALL ssize_t pwrite64(int file, const void *bytes, size_t count, off_t offset) {
    return write_at(file, bytes, count, offset);
}

CALL int fsync(int file) {
    if (number(WEIR_FAULT_FILE_SYNCS) && is_named(file, "-shardId-") && take(WEIR_FAULT_FILE_SYNCS)) {
        page->numbers[WEIR_FAULT_FAILED_WRITES]++;
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, file);
}

static ssize_t read_at(int file, void *bytes, size_t count, off_t offset) {
    int64_t from = number(WEIR_FAULT_READ_FROM), to = number(WEIR_FAULT_READ_TO);
    if (from < to && offset < to && from < offset + (int64_t)count && is_named(file, page->name)) {
        page->numbers[WEIR_FAULT_FAILED_READS]++;
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, file, bytes, count, offset);
}

CALL ssize_t pread(int file, void *bytes, size_t count, off_t offset) { return read_at(file, bytes, count, offset); }
CALL ssize_t pread64(int file, void *bytes, size_t count, off_t offset) { return read_at(file, bytes, count, offset); }

CALL int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result != 0 || clock != CLOCK_REALTIME) return result;
    int64_t nanos = time->tv_nsec + number(WEIR_FAULT_CLOCK_MILLIS) % 1000 * 1000000;
    time->tv_sec += number(WEIR_FAULT_CLOCK_MILLIS) / 1000 + (nanos >= 1000000000) - (nanos < 0);
    time->tv_nsec = (nanos + 1000000000) % 1000000000;
    return 0;
}

CALL int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}
