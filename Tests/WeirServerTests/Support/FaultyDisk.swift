// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog
import WeirStorage

/// The data folder of a test, whose commits can be held and can fail.
final class FaultyDisk: FileSystem {
    enum Fault: CaseIterable, Sendable {
        /// The write fails and nothing of it is on the disk.
        case lost
        /// The write fails and all of it is on the disk.
        case landed
    }

    private struct State {
        var isHeld = false
        var fault: Fault?
        /// Those that have come and not gone on, in their order: the fault is for the first.
        var waiting: [Int] = []
        var last = 0
    }

    private let base: any FileSystem
    private let monitor = Monitor(State())

    init(_ base: any FileSystem) { self.base = base }

    /// From here on no commit gets to the disk.
    func hold() { self.monitor.withLock { $0.isHeld = true } }

    /// A commit waits for the disk.
    func waitUntilHeld() {
        let held: Void? = self.monitor.wait(milliseconds: 20_000) { $0.waiting.isEmpty ? nil : () }
        precondition(held != nil, "no commit came to the disk")
    }

    /// Lets commits go on; the next one fails.
    func letGo(_ fault: Fault?) {
        self.monitor.withLock { state in
            state.isHeld = false
            state.fault = fault
        }
        self.monitor.wakeAll()
    }

    fileprivate func nextFault() -> Fault? {
        let ticket = self.monitor.withLock { state in
            state.last += 1
            state.waiting.append(state.last)
            return state.last
        }
        self.monitor.wakeAll()
        let fault = self.monitor.wait { state -> Fault?? in
            guard !state.isHeld, state.waiting.first == ticket else { return nil }
            state.waiting.removeFirst()
            defer { state.fault = nil }
            return .some(state.fault)
        }
        self.monitor.wakeAll()
        return fault ?? nil
    }

    // MARK: FileSystem

    var name: String { self.base.name }
    func list() throws(FileError) -> [String] { try self.base.list() }
    func open(_ name: String, _ access: FileAccess) throws(FileError) -> any File {
        FaultyFile(try self.base.open(name, access), self)
    }
    func rename(_ name: String, to newName: String) throws(FileError) { try self.base.rename(name, to: newName) }
    func remove(_ name: String) throws(FileError) { try self.base.remove(name) }
    func syncFolder() throws(FileError) { try self.base.syncFolder() }
    func space() throws(FileError) -> (free: Int64, total: Int64) { try self.base.space() }
    func release() { self.base.release() }
}

private final class FaultyFile: File {
    private let base: any File
    private let disk: FaultyDisk

    init(_ base: any File, _ disk: FaultyDisk) {
        self.base = base
        self.disk = disk
    }

    var size: Int { self.base.size }
    func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        try self.base.read(at: offset, into: bytes)
    }
    func sync() throws(FileError) { try self.base.sync() }
    func truncate(to bytes: Int) throws(FileError) { try self.base.truncate(to: bytes) }
    func prefetch(at offset: Int, bytes: Int) { self.base.prefetch(at: offset, bytes: bytes) }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        let isCommit = (try? CommitHeader(reading: bytes)) != nil
        let fault = isCommit ? self.disk.nextFault() : nil
        if fault != .lost { try self.base.write(bytes, at: offset) }
        if fault != nil { throw FileError(.io, "a write that a test lets fail") }
    }
}
