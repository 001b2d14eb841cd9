// SPDX-License-Identifier: Apache-2.0
#ifndef WEIR_C_HARNESS_H
#define WEIR_C_HARNESS_H

/// Starts the program `path` with these three files as its standard streams and no other file, no signal blocked or
/// ignored, and, when `folder` is not NULL, there. Where the system can, the program is killed when the calling thread
/// ends: call it on a thread that lives as long as the process. Returns its process id, or -1 and errno.
int weir_harness_spawn(
    const char *path, char *const arguments[], char *const environment[], const char *folder, int input, int output,
    int error);

/// A pipe, reading end first, whose ends no program that is started inherits. 0, or -1 and errno.
int weir_harness_pipe(int ends[2]);

#endif
