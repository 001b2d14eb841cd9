// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CWeirHarness.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct weir_fault_page *weir_faults_make(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return NULL;
    void *memory = MAP_FAILED;
    if (ftruncate(file, WEIR_FAULT_PAGE_BYTES) == 0)
        memory = mmap(NULL, WEIR_FAULT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? NULL : memory;
}

void weir_faults_free(struct weir_fault_page *page) { munmap(page, WEIR_FAULT_PAGE_BYTES); }

void weir_faults_set(struct weir_fault_page *page, enum weir_fault fault, int64_t value) {
    page->numbers[fault] = value;
}

int64_t weir_faults_get(struct weir_fault_page *page, enum weir_fault fault) { return page->numbers[fault]; }

void weir_faults_name(struct weir_fault_page *page, const char *name) {
    strncpy(page->name, name, WEIR_FAULT_NAME_BYTES - 1);
}

// #embed is of C23; the compiler that comes with Swift has it in every mode.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc23-extensions"
static const char library[] = {
#embed "preload/head.h"
    ,
#embed "include/CWeirFaults.h"
    ,
#embed "preload/faults.c"
    , 0};
#pragma clang diagnostic pop

const char *weir_faults_library(void) { return library; }
