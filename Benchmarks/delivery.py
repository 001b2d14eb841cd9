#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU that a delivery takes, reading from the server and writing files included, against the tools alone.

Usage: Benchmarks/delivery.py LOG [COPIES [PATH-OF-WEIR]]       (needs zstd and gzip; default 60 copies of the log)

Puts COPIES of the lines of LOG into 4 shards, delivers them once with each compression, and lets `zstd -1 -T1` and
`gzip -6` compress the same bytes. CPU seconds are user and system time of the delivering process alone; what comes out
is decompressed and counted.
"""
import glob, json, os, signal, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
LOG = sys.argv[1]
COPIES = int(sys.argv[2]) if len(sys.argv) > 2 else 60
WEIR = sys.argv[3] if len(sys.argv) > 3 else os.path.join(HERE, "../.build/release/weir")


def cpu(command, until=None, **options):
    """Runs a command, ends it when `until` says so, and returns its CPU seconds and peak memory in MB."""
    process = subprocess.Popen(command, stdout=options.pop("stdout", subprocess.DEVNULL), **options)
    memory = 0
    if until is not None:
        until(process)
        # What wait4 tells is that of this program, when it was larger before the other began.
        with open(f"/proc/{process.pid}/status") as status:
            memory = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
        process.send_signal(signal.SIGINT)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (command, status)
    return usage.ru_utime + usage.ru_stime, memory


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/big.log"
        with open(LOG, "rb") as log, open(path, "wb") as big:
            lines = log.read().splitlines(keepends=True)
            for copy in range(COPIES):
                big.writelines(b"%d %s" % (copy, line) for line in lines)
        count, size = COPIES * len(lines), os.path.getsize(path)
        server = subprocess.Popen([WEIR, "serve", "--data-dir", folder + "/data", "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = server.stdout.readline().split(" ready on ")[1].split(",")[0]
        environment = dict(os.environ, WEIR_SERVER=address)
        subprocess.run([WEIR, "stream", "create", "log", "--shards", "4", "--limits", "open"], env=environment,
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run([WEIR, "put", "log", path, "--key-random"], env=environment, check=True,
                       stderr=subprocess.DEVNULL)
        print(f"{count:,} records, {size / 1e6:.0f} MB, 4 shards; CPU seconds, MB/s of CPU, peak resident, files")
        for name, level, tool in [("zstd", "1", ["zstd", "-1", "-T1", "-q", "-f", "-c", path]),
                                  ("gzip", "6", ["gzip", "-6", "-c", path]), ("lz4", "1", None), ("none", None, None)]:
            target = f"{folder}/{name}"
            os.mkdir(target)
            status = target + ".json"
            command = [WEIR, "deliver", "run", "log", "--to", target, "--app", name, "--compression", name, "--age",
                       "15m", "--json"] + (["--level", level] if level else [])

            def taken(process):
                while process.poll() is None:
                    with open(status) as reports:
                        lines = reports.read().splitlines()
                    reports = [json.loads(line) for line in lines if line.endswith("}")]
                    # Keys and data without the ends of lines: keys are longer than those.
                    if reports and reports[-1]["bufferedBytes"] + reports[-1]["inputBytes"] >= size - count:
                        return
                    time.sleep(0.2)

            with open(status, "w") as output:
                seconds, memory = cpu(command, taken, stdout=output, stderr=subprocess.DEVNULL, env=environment)
            files = [file for file in glob.glob(target + "/**", recursive=True) if os.path.isfile(file)]
            text = subprocess.run({"zstd": ["zstd", "-dcq"], "gzip": ["gzip", "-dc"], "lz4": ["true"],
                                   "none": ["cat"]}[name] + files, check=True, stdout=subprocess.PIPE).stdout
            assert name == "lz4" or text.count(b"\n") == count, (name, text.count(b"\n"))
            speed = size / 1e6 / seconds
            print(f"weir {name:5} {seconds:6.2f} s {speed:7.0f} MB/s {memory:5.0f} MB {len(files)} files")
            if tool:
                alone, _ = cpu(tool)
                print(f"{' '.join(tool[:2]):10} {alone:6.2f} s {size / 1e6 / alone:7.0f} MB/s; "
                      f"weir reaches {100 * alone / seconds:.0f} % of it")
        server.send_signal(signal.SIGTERM)
        server.wait()


main()
