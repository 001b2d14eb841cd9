#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Weir by itself, and the disk's limits in the same run. Needs a release build and a folder on a disk.

    swift build -c release --product weir
    Benchmarks/run.py [--data FOLDER] [--secs 10] [--rows produce,single,shards,read,consumers,idle] [--weir PATH]

Every acknowledgement counted here came after the sync. Server and generator share the machine. Figures do not travel:
compare only within one run.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CAP = ["--max-size", "4GiB"]


class Server:
    def __init__(self, weir, data, extra=()):
        shutil.rmtree(data, ignore_errors=True)
        self.start(weir, data, extra)

    def start(self, weir, data, extra=()):
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [weir, "serve", "--data-dir", data, "--listen", "127.0.0.1:0", *extra],
            stdout=subprocess.PIPE, stderr=open(data + ".log", "a"), text=True)
        line = self.process.stdout.readline()
        found = re.search(r"(127\.0\.0\.1:\d+)", line)
        if not found:
            sys.exit(f"the server did not start: {line!r}, see {data}.log")
        self.address, self.started_ms = found.group(1), (time.perf_counter() - begin) * 1000

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self, key="VmRSS"):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(key):
                return int(line.split()[1]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def bench(args, server, *words):
    cpu = server.cpu()
    done = subprocess.run(
        [args.weir, "bench", *words, "--server", server.address, "--json"], stdout=subprocess.PIPE, text=True,
        timeout=900)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        sys.exit(f"weir bench {' '.join(words)} ended with {done.returncode}: {done.stdout}")
    row = json.loads(lines[-1])
    row["server_cpu_s"] = server.cpu() - cpu
    return row


def produce(args, server, connections, in_flight, batch, size, shards, note, table, seconds=None):
    row = bench(
        args, server, "produce", "--connections", str(connections), "--in-flight", str(in_flight),
        "--batch", str(batch), "--size", str(size), "--shards", str(shards), "--seconds", str(seconds or args.secs),
        "--warmup", "2", *CAP)
    table.append((
        note, f"{row['rec_s']:,.0f}", f"{row['mb_s']:,.0f}", f"{row['p50_us'] / 1000:.2f} / {row['p99_us'] / 1000:.2f}",
        f"{row['server_cpu_s'] / max(1, row['records']) * 1e6 * row['secs'] / (row['secs'] + 2):.3f}"))
    print(json.dumps({"row": note, **row}), flush=True)
    return row


def consumers(args, server, table, facts):
    """A worker beside a plain reader, and what checkpoints cost: alone, and beside puts that commit anyway."""
    rates = {}
    for kind, words in (("plain reader", []), ("worker", ["--worker"])):
        rows = [bench(args, server, "consume", "--records", "4000000", *words) for _ in range(3)]
        row = sorted(rows, key=lambda row: row["rec_s"])[1]
        print(json.dumps({"row": kind, **row}), flush=True)
        rates[kind] = row["rec_s"]
        table.append((f"500 x 100 B, {kind}, median of 3", f"{row['rec_s']:,.0f}", f"{row['mb_s']:,.0f}", "", ""))
    facts.append(("worker of plain reader", f"{rates['worker'] / rates['plain reader']:.2f} x"))
    secs = 15
    pid = ["--server-pid", str(server.process.pid)]
    checkpoint = ["checkpoint", "--shards", "1000", "--seconds", str(secs), *pid]
    puts = ["latency", "--rate", "1000", "--seconds", str(secs + 10), *pid]
    alone = bench(args, server, *checkpoint)
    base = bench(args, server, *puts)
    beside = subprocess.Popen(
        [args.weir, "bench", *puts, "--server", server.address, "--json"], stdout=subprocess.DEVNULL)
    time.sleep(1.5)
    both = bench(args, server, *checkpoint)
    beside.wait(60)
    print(json.dumps({"row": "checkpoints alone", **alone}), json.dumps({"row": "beside puts", **both}), sep="\n")
    share = lambda row: row["srv_cpu_s"] / row["secs"] * 100
    facts.append(("1,000 shards, a checkpoint a second each: server", f"{share(alone):.1f} % of a core, p50 "
                  f"{alone['p50_us'] / 1000:.2f} ms, {alone['checkpoints'] / alone['commits']:.1f} in a commit"))
    facts.append(("the same beside 1,000 puts a second", f"{share(both) - share(base):.1f} % of a core more than "
                  f"{share(base):.1f} % without"))


def print_table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.path.join(HERE, "..", ".weir-bench"))
    parser.add_argument("--secs", type=float, default=10)
    parser.add_argument("--rows", default="produce,single,shards,read,consumers,idle")
    parser.add_argument("--weir", default=os.path.join(HERE, "..", ".build", "release", "weir"))
    args = parser.parse_args()
    args.rows = args.rows.split(",")
    os.makedirs(args.data, exist_ok=True)
    data = os.path.join(args.data, "data")

    disk = json.loads(subprocess.check_output([os.path.join(HERE, "disk.py"), args.data, "3"], text=True))
    print(json.dumps({"row": "disk", **disk}), flush=True)
    table, facts = [], []
    server = Server(args.weir, data)
    facts.append(("empty node ready after", f"{server.started_ms:.0f} ms"))
    if "idle" in args.rows:
        time.sleep(2)
        facts.append(("idle server, resident", f"{server.resident_mb():.0f} MB"))
    if "produce" in args.rows:
        small = produce(args, server, 8, 8, 500, 100, 4, "500 x 100 B, 8 x 8 in flight, 4 shards", table)
        large = produce(args, server, 8, 8, 500, 1024, 4, "500 x 1 KiB, 8 x 8 in flight, 4 shards", table)
        facts.append(("1 KiB ingest of the disk's 2 MiB overwrite limit",
                      f"{large['mb_s'] / disk['overwrite_2m_mb_s'] * 100:.0f} % of {disk['overwrite_2m_mb_s']} MB/s"))
    if "single" in args.rows:
        produce(args, server, 1, 64, 1, 100, 4, "1 x 100 B, 1 x 64 in flight", table)
        produce(args, server, 8, 64, 1, 100, 4, "1 x 100 B, 8 x 64 in flight", table)
        one = produce(args, server, 1, 1, 1, 100, 4, "1 x 100 B, one in flight", table)
        facts.append(("one in flight, p50 of a synced 4 KiB write",
                      f"{one['p50_us'] / disk['sync_4k_p50_us']:.1f} x {disk['sync_4k_p50_us']} us"))
    if "shards" in args.rows:
        base = produce(args, server, 8, 8, 500, 100, 4, "500 x 100 B, 8 x 8, 4 shards (again)", table)
        for shards in (64, 256):
            row = produce(args, server, 8, 8, 500, 100, shards, f"500 x 100 B, 8 x 8, {shards} shards", table)
            facts.append((f"{shards} shards of 4", f"{row['rec_s'] / base['rec_s']:.2f} x"))
    if "read" in args.rows:
        for size in (100, 1024):
            row = bench(args, server, "consume", "--size", str(size), "--shards", "4", "--seconds", str(args.secs))
            print(json.dumps({"row": "read", **row}), flush=True)
            table.append((f"catch-up read, {size} B, 4 shards", f"{row['rec_s']:,.0f}", f"{row['mb_s']:,.0f}", "", ""))
    if "consumers" in args.rows:
        consumers(args, server, table, facts)
    facts.append(("highest resident memory of the server", f"{server.resident_mb('VmHWM'):.0f} MB"))
    server.stop()
    print()
    print_table(("work", "rec/s", "MB/s", "p50 / p99 ms", "server CPU us/rec"), table)
    print_table(("fact", "figure"), facts)
    shutil.rmtree(args.data, ignore_errors=True)


main()
