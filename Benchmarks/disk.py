#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The disk's own limits: overwriting blocks that were written before, past the page cache, synced by each write.

    Benchmarks/disk.py FOLDER [SECONDS]

Prints one JSON object: MB/s of 2 MiB writes, and the p50 and p99 of a synced 4 KiB write in microseconds.
"""
import json
import mmap
import os
import sys
import time


def measure(descriptor, size, span, seconds):
    buffer = mmap.mmap(-1, size)
    buffer.write(os.urandom(size))
    times, offset, begin = [], 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        os.pwrite(descriptor, buffer, offset)
        if not DIRECT:
            os.fdatasync(descriptor)
        times.append(time.perf_counter() - start)
        offset = (offset + size) % span
    total = time.perf_counter() - begin
    times.sort()
    return size * len(times) / total / 1e6, times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6


folder = sys.argv[1]
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
path = os.path.join(folder, "disk-limit.tmp")
span = 512 << 20
with open(path, "wb") as file:
    for _ in range(span >> 20):
        file.write(bytes(1 << 20))
    os.fsync(file.fileno())
DIRECT = True
try:
    descriptor = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
    os.pwrite(descriptor, mmap.mmap(-1, 4096), 0)
except OSError:
    DIRECT = False
    descriptor = os.open(path, os.O_RDWR)
try:
    large = measure(descriptor, 2 << 20, span, seconds)
    small = measure(descriptor, 4096, 64 << 20, seconds)
    print(json.dumps({
        "direct": DIRECT, "overwrite_2m_mb_s": round(large[0]), "sync_4k_p50_us": round(small[1]),
        "sync_4k_p99_us": round(small[2]),
    }))
finally:
    os.close(descriptor)
    os.unlink(path)
