// SPDX-License-Identifier: Apache-2.0
// Preloaded under a server: writes to segments wait while the file that WEIR_STALL names exists.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_segment(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count <= 0) return 0;
    path[count] = 0;
    return strstr(path, "/segment-") != NULL;
}

static ssize_t write_when_allowed(int fd, const void *bytes, size_t count, off_t offset) {
    const char *stall = getenv("WEIR_STALL");
    if (stall != NULL && is_segment(fd))
        while (access(stall, F_OK) == 0) usleep(10000);
    return syscall(SYS_pwrite64, fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return write_when_allowed(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
    return write_when_allowed(fd, bytes, count, offset);
}
