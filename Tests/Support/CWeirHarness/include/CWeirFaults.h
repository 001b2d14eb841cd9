// SPDX-License-Identifier: Apache-2.0
#ifndef WEIR_C_FAULTS_H
#define WEIR_C_FAULTS_H

// Also the beginning of the library that is made at run time, so it includes nothing of ours.
#include <stdint.h>

/// One page of numbers, shared by the harness and the library that it preloads into the program under test. The first
/// ones are orders of the harness; the library counts them down or looks at them at each call. The others it tells.
enum weir_fault {
    /// Added to the wall clock, in milliseconds.
    WEIR_FAULT_CLOCK_MILLIS,
    /// So many of the next commits fail and never reach the disk.
    WEIR_FAULT_COMMITS_LOST,
    /// So many of the next commits reach the disk and fail all the same.
    WEIR_FAULT_COMMITS_LANDED,
    /// So many of the next footers of segments fail, of the file that the page names.
    WEIR_FAULT_FOOTERS,
    /// So many of the next writes of snapshots fail.
    WEIR_FAULT_SNAPSHOTS,
    /// While it is not 0, every write of a segment waits.
    WEIR_FAULT_STALL,
    /// While it is not 0, every write of a commit is refused for want of space.
    WEIR_FAULT_NO_SPACE,
    /// While it is not 0, every write of a file of a delivery is refused for want of space, after a part of it.
    WEIR_FAULT_FILES_NO_SPACE,
    /// So many of the next syncs of files of a delivery fail.
    WEIR_FAULT_FILE_SYNCS,
    /// A read fails when it meets the bytes from here on, up to the next, of the file that the page names.
    WEIR_FAULT_READ_FROM,
    WEIR_FAULT_READ_TO,

    /// 1 when the program has the library.
    WEIR_FAULT_LOADED,
    /// Writes that were let fail.
    WEIR_FAULT_FAILED_WRITES,
    /// The commits among them, and before that is counted the true time of the last one, in milliseconds since 1970.
    WEIR_FAULT_FAILED_COMMITS,
    WEIR_FAULT_LAST_FAILED_MILLIS,
    /// Reads that were let fail.
    WEIR_FAULT_FAILED_READS,
    /// Writes that wait now.
    WEIR_FAULT_WAITING,
    WEIR_FAULT_COUNT,
};

enum { WEIR_FAULT_NAME_BYTES = 64, WEIR_FAULT_PAGE_BYTES = 4096 };

/// Of the environment of the program under test: the path of the file that holds the page.
#define WEIR_FAULT_VARIABLE "WEIR_FAULT_PAGE"

struct weir_fault_page {
    _Atomic int64_t numbers[WEIR_FAULT_COUNT];
    /// What the name of the file contains whose reads or footers fail; every name contains the empty one.
    char name[WEIR_FAULT_NAME_BYTES];
};

#endif
