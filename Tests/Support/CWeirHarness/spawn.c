// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CWeirHarness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

static void close_all_from(int first) {
#if defined(__linux__) && defined(SYS_close_range)
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0) return;
#endif
    for (int descriptor = first; descriptor < 65536; descriptor++) close(descriptor);
}

int weir_harness_pipe(int ends[2]) {
#ifdef __linux__
    return pipe2(ends, O_CLOEXEC);
#else
    if (pipe(ends) != 0) return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
#endif
}

// Runs in the child between fork and exec: only calls that are safe there.
static int become(
    const char *path, char *const arguments[], char *const environment[], const char *folder, int input, int output,
    int error, pid_t parent) {
#ifdef __linux__
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    // The parent may have ended before that.
    if (getppid() != parent) _exit(127);
#else
    (void)parent;
#endif
    // Copies above the standard numbers first, so that none of the three is overwritten before it is in its place.
    int files[3] = {input, output, error};
    for (int position = 0; position < 3; position++) {
        files[position] = fcntl(files[position], F_DUPFD, 3);
        if (files[position] < 0) return errno;
    }
    for (int position = 0; position < 3; position++) {
        if (dup2(files[position], position) < 0) return errno;
    }
    close_all_from(3);
    if (folder != NULL && chdir(folder) != 0) return errno;
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(path, arguments, environment);
    return errno;
}

int weir_harness_spawn(
    const char *path, char *const arguments[], char *const environment[], const char *folder, int input, int output,
    int error) {
    // No handler of ours may run in the child, where the standard streams are already others.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        become(path, arguments, environment, folder, input, output, error, parent);
        _exit(127);
    }
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return child;
}
