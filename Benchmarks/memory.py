#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peak resident memory of a server in bursts of small requests for large answers, and on a disk that stands still.

Usage: Benchmarks/memory.py [PATH-OF-WEIR]       (needs gcc; default .build/release/weir)

Each case has a server of its own with the default settings and a stream of 10,000 shards, and ends when every request
has been answered or its connection closed.
"""
import os, re, signal, socket, struct, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
WEIR = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../.build/release/weir")
HELLO, PING, CREATE, UPDATE, LIST, PUT = 0x01, 0x02, 0x10, 0x13, 0x20, 0x30


def frame(kind, correlation, payload=b""):
    return struct.pack("<IHHQ", len(payload), kind, 0, correlation) + payload


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def create(name, shards):
    text = name.encode()
    return (struct.pack("<H", len(text)) + text + struct.pack("<I", shards) + struct.pack("<q", 86_400_000) + b"\0"
            + b"\0" * 4 + struct.pack("<I", 1 << 20))


def put(stream):
    record = struct.pack("<IHH", 1, 1, 0) + b"kx"
    head = struct.pack("<BBHII", 1, 0, 0, 1, len(record))
    body = head + struct.pack("<I", crc32c(head + record)) + record
    return struct.pack("<QQQQII", stream, 0, 0, 0, 1, 0) + struct.pack("<II", 0xFFFFFFFF, len(body)) + body


def update(stream, size):
    return struct.pack("<QBBqBB", stream, 0, 1, size, 0, 0)


class Client:
    """Counts the frames that come, by whether they are errors. One that does not read counts nothing."""

    def __init__(self, port, reads=True):
        self.socket = socket.socket()
        if not reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.answers = self.errors = self.bytes = 0
        self.closed = False
        self.first = b""
        self.socket.sendall(
            frame(HELLO, 1, b"WEIR" + struct.pack("<HHQQ", 1, 1, 0, 0) + struct.pack("<H", 3) + b"mem"
                  + struct.pack("<H", 0)))
        if reads:
            threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        data = b""
        while True:
            try:
                more = self.socket.recv(1 << 20)
            except OSError:
                more = b""
            if not more:
                self.closed = True
                return
            self.bytes += len(more)
            data += more
            start = 0
            while len(data) - start >= 16:
                length, kind, _, _ = struct.unpack_from("<IHHQ", data, start)
                if len(data) - start < 16 + length:
                    break
                if kind == 0x8000:
                    self.errors += 1
                else:
                    self.answers += 1
                if kind == 0x8010 and not self.first:
                    self.first = data[start + 16:start + 24]
                start += 16 + length
            data = data[start:]

    def send(self, data):
        self.socket.sendall(data)

    def answered(self, count, seconds=60):
        """Waits for so many answers, Hello's included."""
        until = time.time() + seconds
        while self.answers + self.errors < count and not self.closed and time.time() < until:
            time.sleep(0.02)
        return self.closed or self.answers + self.errors >= count


class Server:
    def __init__(self, library):
        self.folder = tempfile.TemporaryDirectory()
        self.stall_file = os.path.join(self.folder.name, "stall")
        environment = dict(os.environ, LD_PRELOAD=library, WEIR_STALL=self.stall_file)
        self.process = subprocess.Popen(
            [WEIR, "serve", "--data-dir", os.path.join(self.folder.name, "data"), "--listen", "127.0.0.1:0"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(re.search(r"127\.0\.0\.1:(\d+)", self.process.stdout.readline()).group(1))
        client = Client(self.port)
        client.send(frame(CREATE, 2, create("big", 10_000)))
        assert client.answered(2), "the stream was not created"
        self.stream = struct.unpack("<Q", client.first)[0]
        self.idle = self.peak()
        self.complete = True

    def peak(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) / 1024

    def stall(self, is_on):
        if is_on:
            open(self.stall_file, "w").close()
        else:
            os.unlink(self.stall_file)

    def list_shards(self, count):
        request = struct.pack("<QBBI", self.stream, 2, 0, 10_000)
        return b"".join(frame(LIST, 100 + number, request) for number in range(count))

    def end(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.folder.cleanup()


def burst(server):
    client = Client(server.port)
    data = frame(CREATE, 9, create("x", 1)) + server.list_shards(3000)
    client.send(data)
    server.complete &= client.answered(3002)
    return [client], len(data)


def stalled(server):
    clients = [Client(server.port) for _ in range(8)]
    server.stall(True)
    sent = 0
    for number, client in enumerate(clients):
        data = frame(CREATE, 9, create(f"x{number}", 1)) + server.list_shards(500) + frame(PING, 8)
        client.send(data)
        sent += len(data)
    # A ping is answered behind all that was taken up before it.
    for client in clients:
        server.complete &= client.answered(2)
    server.stall(False)
    for client in clients:
        server.complete &= client.answered(503)
    return clients, sent


def pairs(server):
    clients = [Client(server.port) for _ in range(10)]
    server.stall(True)
    one = put(server.stream)
    sent = 0
    for number, client in enumerate(clients):
        data = b"".join(
            frame(PUT, 100 + 2 * turn, one)
            + frame(UPDATE, 101 + 2 * turn, update(server.stream, (1 << 20) + number * 1000 + turn))
            for turn in range(1000))
        client.send(data)
        sent += len(data)
        time.sleep(0.2)
    for client in clients:
        client.send(frame(PING, 8))
    for client in clients:
        server.complete &= client.answered(2)
    server.stall(False)
    for client in clients:
        server.complete &= client.answered(2002)
    return clients, sent


def unread(server):
    clients = [Client(server.port, reads=False) for _ in range(100)]
    sent = 0
    for client in clients:
        data = server.list_shards(500)
        client.send(data)
        sent += len(data)
    other = Client(server.port)
    other.send(frame(PING, 5))
    server.complete &= other.answered(2, 120)
    return [other], sent


CASES = [
    ("1 connection: a change and 3,000 ListShards", burst),
    ("8 connections, disk stands still: a change and 500 ListShards each", stalled),
    ("10 connections, disk stands still: 1,000 puts and changes in turn each", pairs),
    ("100 connections that do not read: 500 ListShards each", unread),
]


def main():
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "stall.so")
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "stall.c")], check=True)
        print("| case | sent, KB | answered / refused | idle, MB | peak, MB |\n|---|---|---|---|---|")
        for name, case in CASES:
            server = Server(library)
            try:
                clients, sent = case(server)
                done = sum(client.answers - 1 for client in clients)
                refused = sum(client.errors for client in clients)
                print(f"| {name} | {sent / 1000:.0f} | {done:,} / {refused:,} | {server.idle:.0f} "
                      f"| {server.peak():.0f} |", flush=True)
                if not server.complete:
                    print("not every request was answered within a minute", file=sys.stderr)
            finally:
                server.end()


main()
