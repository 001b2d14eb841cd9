// SPDX-License-Identifier: Apache-2.0

import CWeir
import Foundation
import Testing

@Suite("System calls")
final class SystemTests {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("cweir-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func open(_ name: String) throws -> Int32 {
        let descriptor = Foundation.open(path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        return descriptor
    }

    @Test("A direct file takes aligned writes, or cannot be opened and says why")
    func direct() throws {
        let descriptor = weir_open_direct(path("direct"), O_RDWR | O_CREAT, 0o600)
        let reason = errno
        guard descriptor >= 0 else {
            #expect([EINVAL, ENOTSUP, EOPNOTSUPP].contains(reason))
            return
        }
        defer { close(descriptor) }
        let length = 65_536
        let memory = try #require(weir_aligned_alloc(4_096, length))
        defer { weir_aligned_free(memory) }
        memory.initializeMemory(as: UInt8.self, repeating: 0x5A, count: length)
        #expect(pwrite(descriptor, memory, length, 0) == length)
        let written = try Data(contentsOf: URL(fileURLWithPath: path("direct")))
        #expect(written == Data(repeating: 0x5A, count: length))
        #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test("A direct file that is not there is not found")
    func directMissing() {
        #expect(weir_open_direct(path("no/file"), O_RDWR, 0) == -1)
        #expect([ENOENT, ENOTSUP].contains(errno))
    }

    @Test("Space for a file is taken at once, and it never becomes shorter")
    func allocate() throws {
        let descriptor = try open("space")
        defer { close(descriptor) }
        #expect(weir_fallocate(descriptor, 0, 1 << 20) == 0)
        #expect(weir_fallocate(descriptor, 0, 4_096) == 0)
        var status = stat()
        #expect(fstat(descriptor, &status) == 0)
        #expect(status.st_size == 1 << 20)
        #expect(Int(status.st_blocks) * 512 >= 1 << 20)
        #expect(weir_fallocate(-1, 0, 4_096) == -1)
        #expect(errno == EBADF)
    }

    @Test("Files and folders can be made durable, and dropped from the cache")
    func sync() throws {
        let descriptor = try open("data")
        defer { close(descriptor) }
        #expect(write(descriptor, "weir", 4) == 4)
        #expect(weir_fdatasync(descriptor) == 0)
        #expect(weir_drop_page_cache(descriptor, 0, 4) == 0)
        #expect(weir_sync_folder(folder.path) == 0)
        #expect(weir_sync_folder(path("missing")) == -1)
        #expect(errno == ENOENT)
        #expect(weir_sync_folder(path("data")) == -1)
        #expect(errno == ENOTDIR)
        #expect(weir_fdatasync(-1) == -1)
        #expect(errno == EBADF)
    }

    @Test("A lock is held once, and free again when its file is closed")
    func lock() throws {
        let first = try open("lock")
        let second = try open("lock")
        defer { close(second) }
        #expect(weir_lock_exclusive(first) == 0)
        #expect(weir_lock_exclusive(second) == -1)
        #expect(errno == EWOULDBLOCK)
        close(first)
        #expect(weir_lock_exclusive(second) == 0)
    }

    @Test("Limits, memory and space are known")
    func figures() {
        var limit: UInt64 = 0
        #expect(weir_raise_open_files(&limit) == 0)
        #expect(limit >= 64)
        #expect(weir_raise_open_files(nil) == 0)
        #if os(Linux)
        #expect(weir_resident_bytes() > 1 << 20)
        #else
        #expect(weir_resident_bytes() >= 0)
        #endif
        var free: UInt64 = 0
        var total: UInt64 = 0
        #expect(weir_free_space(folder.path, &free, &total) == 0)
        #expect(free > 0 && free <= total)
        #expect(weir_free_space(path("missing"), &free, &total) == -1)
        #expect(errno == ENOENT)
    }

    @Test("Clocks run")
    func clocks() {
        let before = weir_monotonic_nanoseconds()
        var readings = 0
        while weir_monotonic_nanoseconds() < before + 2_000_000, readings < 100_000_000 { readings += 1 }
        #expect(weir_monotonic_nanoseconds() >= before + 2_000_000, "it stands still")
        #expect(abs(Double(weir_wall_milliseconds()) / 1_000 - Date().timeIntervalSince1970) < 10)
    }

    @Test("Memory is aligned, and there is none for a wrong alignment")
    func memory() {
        for alignment in [16, 512, 4_096, 1 << 21] {
            let memory = weir_aligned_alloc(alignment, 100)
            #expect(memory != nil && UInt(bitPattern: memory) % UInt(alignment) == 0)
            weir_aligned_free(memory)
        }
        #expect(weir_aligned_alloc(24, 100) == nil)
        weir_aligned_free(nil)
    }

    @Test("A thread runs with its context, under its name as far as that fits")
    func thread() {
        final class Context {
            let done = DispatchSemaphore(value: 0)
            var name = ""
        }
        let context = Context()
        let started = weir_thread_start(
            { argument in
                let context = Unmanaged<Context>.fromOpaque(argument!).takeRetainedValue()
                context.name = (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? ""
                context.done.signal()
            }, Unmanaged.passRetained(context).toOpaque(), "weir-log-writer-one")
        #expect(started == 0)
        #expect(context.done.wait(timeout: .now() + 10) == .success)
        #if os(Linux)
        #expect(context.name == "weir-log-writer\n")
        #endif
    }
}
