#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The disk's own limits: overwriting blocks that were written before, past the page cache, synced by each write.

    Benchmarks/disk.py FOLDER [SECONDS]
    Benchmarks/disk.py --new FOLDER        what synced writes into a new file reach, in parts of a file written before

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


def write_through(path, size, is_written, total=256 << 20):
    """MB/s of synced writes of `size` bytes through a file whose blocks are reserved, or were written."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_DIRECT | os.O_DSYNC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, total)
        if is_written:
            buffer = mmap.mmap(-1, 4 << 20)
            buffer.write(os.urandom(4 << 20))
            for offset in range(0, total, 4 << 20):
                os.pwrite(descriptor, buffer, offset)
        os.fsync(descriptor)
        buffer = mmap.mmap(-1, size)
        buffer.write(os.urandom(size))
        begin, offset = time.perf_counter(), 0
        while offset < total and time.perf_counter() - begin < 2:
            os.pwrite(descriptor, buffer, offset)
            offset += size
        return offset / (time.perf_counter() - begin) / 1e6
    finally:
        os.close(descriptor)
        os.unlink(path)


if sys.argv[1] == "--new":
    path = os.path.join(sys.argv[2], "disk-limit.tmp")
    for size in (64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20):
        new, written = (sorted(write_through(path, size, state) for _ in range(3))[1] for state in (False, True))
        print(f"| {size >> 10} KiB | {new:.0f} | {written:.0f} | {new / written:.2f} |")
    sys.exit()

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
