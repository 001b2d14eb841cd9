// SPDX-License-Identifier: Apache-2.0
#ifndef WEIR_C_HARNESS_H
#define WEIR_C_HARNESS_H

#include "CWeirFaults.h"

/// Starts the program `path` with these three files as its standard streams and no other file, no signal blocked or
/// ignored, and, when `folder` is not NULL, there. Where the system can, the program is killed when the calling thread
/// ends: call it on a thread that lives as long as the process. Returns its process id, or -1 and errno.
int weir_harness_spawn(
    const char *path, char *const arguments[], char *const environment[], const char *folder, int input, int output,
    int error);

/// A pipe, reading end first, whose ends no program that is started inherits. 0, or -1 and errno.
int weir_harness_pipe(int ends[2]);

/// Makes a page of faults in a new file, with all of it 0. NULL and errno when that fails.
struct weir_fault_page *weir_faults_make(const char *path);
void weir_faults_free(struct weir_fault_page *page);
void weir_faults_set(struct weir_fault_page *page, enum weir_fault fault, int64_t value);
int64_t weir_faults_get(struct weir_fault_page *page, enum weir_fault fault);
/// Of the file whose reads or footers fail: a part of its name of at most 63 bytes. Call it before the fault is set.
void weir_faults_name(struct weir_fault_page *page, const char *name);

/// The C source of the library that goes into the program under test.
const char *weir_faults_library(void);

#endif
