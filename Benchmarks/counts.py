#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what a put of 500 records costs the server, in steady state: allocations, system calls, syncs, bytes written.

    swift build -c release --product weir
    Benchmarks/counts.py [--weir PATH]          needs gcc; strace for the system calls

Counted, not timed: the figures depend on how many requests a commit joins, not on the speed of the machine.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", default=os.path.join(HERE, "..", ".build", "release", "weir"))
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="weir-counts-", dir=os.path.join(HERE, ".."))
    library, counts = os.path.join(work, "count.so"), os.path.join(work, "counts")
    subprocess.check_call(
        ["gcc", "-O2", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "malloc_count.c")])
    server = subprocess.Popen(
        [args.weir, "serve", "--data-dir", os.path.join(work, "data"), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, text=True, env=dict(os.environ, LD_PRELOAD=library, MALLOC_COUNT_FILE=counts))
    address = re.search(r"127\.0\.0\.1:\d+", server.stdout.readline()).group(0)

    def produce(seconds):
        out = subprocess.check_output(
            [args.weir, "bench", "produce", "--server", address, "--connections", "8", "--in-flight", "8",
             "--batch", "500", "--size", "100", "--shards", "4", "--max-size", "1GiB", "--seconds", str(seconds),
             "--warmup", "0", "--json"],
            text=True)
        row = json.loads([line for line in out.splitlines() if line.startswith("{")][-1])
        return row["total_acked"] / 500

    def allocations():
        server.send_signal(signal.SIGRTMIN)
        time.sleep(0.3)
        return [int(word) for word in open(counts).read().splitlines()[-1].split()]

    def io():
        return {k: int(v) for k, v in (l.split(": ") for l in open(f"/proc/{server.pid}/io").read().splitlines())}

    try:
        produce(2)
        before, io_before = allocations(), io()
        batches = produce(4)
        after, io_after = allocations(), io()
        print("| counted per put of 500 x 100 B (8 x 8 in flight, 4 shards) | |\n|---|---|")
        print(f"| puts | {batches:,.0f} |")
        print(f"| allocations | {(after[0] - before[0]) / batches:.2f} |")
        print(f"| bytes asked of the allocator | {(after[1] - before[1]) / batches:,.0f} |")
        print(f"| bytes written to the disk | {(io_after['write_bytes'] - io_before['write_bytes']) / batches:,.0f} |")
        if shutil.which("strace"):
            trace = os.path.join(work, "trace")
            tracer = subprocess.Popen(
                ["strace", "-f", "-c", "-o", trace, "-p", str(server.pid)], stderr=subprocess.DEVNULL)
            time.sleep(0.5)
            batches = produce(3)
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
            total = 0
            for line in open(trace):
                fields = line.split()
                if len(fields) >= 5 and fields[0].replace(".", "").isdigit() and fields[-1] != "total":
                    calls = int(fields[3])
                    total += calls
                    if calls / batches >= 0.005:
                        print(f"| system calls, {fields[-1]} | {calls / batches:.3f} |")
            print(f"| system calls, all | {total / batches:.2f} |")
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(work)


main()
