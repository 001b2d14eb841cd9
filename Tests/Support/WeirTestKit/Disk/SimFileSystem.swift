// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirIO
import WeirStorage

/// What is asked of the disk, for whoever decides about faults.
package enum DiskOperation: Hashable, Sendable {
    case list
    case open(String)
    case create(String)
    case read(String, offset: Int, bytes: Int)
    case write(String, offset: Int, bytes: Int)
    case sync(String)
    case truncate(String)
    case rename(String)
    case remove(String)
    case syncFolder
    case space

    /// Changes the disk, so that a crash in the midst of it matters.
    package var changes: Bool {
        switch self {
        case .list, .open, .read, .space: false
        case .create, .write, .sync, .truncate, .rename, .remove, .syncFolder: true
        }
    }

    /// Takes a descriptor.
    package var opens: Bool {
        switch self {
        case .list, .open, .create: true
        case .read, .write, .sync, .truncate, .rename, .remove, .syncFolder, .space: false
        }
    }
}

package enum DiskFault: Hashable, Sendable {
    /// EIO. Writes and syncs leave any part of their sectors.
    case failed
    /// ENOSPC.
    case noSpace
    /// EMFILE: for what opens a file. Elsewhere nothing happens.
    case noDescriptors
    /// The process or the machine stops in the midst of the operation. Nothing works until `restart`.
    case crash
    /// A write or a sync says success and does nothing: a disk that lies. For engines broken on purpose.
    case ignored
}

/// A data folder in memory, on a `SimulatedDisk`. Deterministic: what chance decides comes from the seed.
package final class SimFileSystem: FileSystem {
    package typealias Judge = @Sendable (DiskOperation) -> DiskFault?

    private struct State {
        var disk: SimulatedDisk
        var random: SplitMix64
        var down = false
        var judge: Judge?
        var operations = 0
    }

    private let state: Mutex<State>
    package let name = "(simulated)"
    private let handles = Mutex(Handles())

    private struct Handles {
        var open = 0
        var most = 0
    }

    package init(
        seed: UInt64 = 0, direct: Bool = false, capacity: Int = 1 << 40, image: [String: [UInt8]] = [:]
    ) {
        self.state = Mutex(
            State(
                disk: SimulatedDisk(direct: direct, capacity: capacity, image: image),
                random: SplitMix64(seed: seed)))
    }

    // MARK: For tests

    /// Asked before every operation, without any lock held; may call back into the file system.
    package func decideFaults(_ judge: Judge?) { self.state.withLock { $0.judge = judge } }

    package var isDown: Bool { self.state.withLock { $0.down } }
    package var operations: Int { self.state.withLock { $0.operations } }

    /// A new process, after the old one was killed or the power was cut.
    package func restart(powerCut: Bool) {
        self.state.withLock { state in
            state.down = false
            if powerCut { state.disk.cutPower(&state.random) } else { state.disk.killProcess() }
        }
    }

    /// Files that are open now.
    package var openFiles: Int { self.handles.withLock { $0.open } }

    /// The most files that were open at one time since the last call.
    package func takeMostOpenFiles() -> Int {
        self.handles.withLock { handles in
            defer { handles.most = handles.open }
            return handles.most
        }
    }

    package var capacity: Int {
        get { self.state.withLock { $0.disk.capacity } }
        set { self.state.withLock { $0.disk.capacity = newValue } }
    }

    /// See `SimulatedDisk.ignoresAdvice`.
    package func ignoreAdvice(_ ignores: Bool) { self.state.withLock { $0.disk.ignoresAdvice = ignores } }

    package var usedBytes: Int { self.state.withLock { $0.disk.used } }
    /// Every file as it is seen now.
    package var image: [String: [UInt8]] { self.state.withLock { $0.disk.image } }
    /// Every file as a power cut would leave it at least.
    package var durableImage: [String: [UInt8]] { self.state.withLock { $0.disk.durableImage } }

    package func flip(_ name: String, bit: Int, at offset: Int) throws(FileError) {
        try self.state.withLock { state throws(FileError) in try state.disk.flip(name, bit: bit, at: offset) }
    }

    /// Other contents of a file, durably: for damage of any kind, and for engines broken on purpose.
    package func edit(_ name: String, _ body: (inout [UInt8]) -> Void) throws(FileError) {
        try self.state.withLock { state throws(FileError) in try state.disk.edit(name, body) }
    }

    // MARK: FileSystem

    package func list() throws(FileError) -> [String] {
        try self.operate(.list) { state, fault throws(FileError) in
            if let fault { throw Self.error(fault, "list") }
            return state.disk.list
        }
    }

    package func open(_ name: String, _ access: FileAccess) throws(FileError) -> any File {
        if case .create(let bytes) = access {
            return try self.operate(.create(name)) { state, fault throws(FileError) in
                if let fault, fault != .crash { throw Self.error(fault, name) }
                let file = try state.disk.create(name, bytes: bytes)
                if fault == .crash { throw Self.error(.crash, name) }
                return Handle(self, file, name, epoch: state.disk.epoch, pastCache: false)
            }
        }
        return try self.operate(.open(name)) { state, fault throws(FileError) in
            if let fault { throw Self.error(fault, name) }
            let file = try state.disk.find(name)
            return Handle(self, file, name, epoch: state.disk.epoch, pastCache: access == .readDisk)
        }
    }

    package func rename(_ name: String, to newName: String) throws(FileError) {
        try self.change(.rename(name), name) { disk throws(FileError) in try disk.rename(name, to: newName) }
    }

    package func remove(_ name: String) throws(FileError) {
        try self.change(.remove(name), name) { disk throws(FileError) in try disk.remove(name) }
    }

    package func syncFolder() throws(FileError) {
        try self.operate(.syncFolder) { state, fault throws(FileError) in
            switch fault {
            case .ignored: return
            case .some(let fault): throw Self.error(fault, "sync of the folder")
            case nil: state.disk.syncFolder()
            }
        }
    }

    package func space() throws(FileError) -> (free: Int64, total: Int64) {
        try self.operate(.space) { state, fault throws(FileError) in
            if let fault { throw Self.error(fault, "space") }
            return (Int64(state.disk.free), Int64(state.disk.capacity))
        }
    }

    package func release() {}

    // MARK: Inside

    private func operate<R>(
        _ operation: DiskOperation, _ body: (inout State, DiskFault?) throws(FileError) -> R
    ) throws(FileError) -> R {
        let judge = self.state.withLock { $0.judge }
        var fault = judge?(operation)
        if fault == .noDescriptors, !operation.opens { fault = nil }
        return try self.state.withLock { state throws(FileError) in
            guard !state.down else { throw Self.error(.crash, "the process is gone") }
            state.operations += 1
            if fault == .crash { state.down = true }
            return try body(&state, fault)
        }
    }

    private func change(
        _ operation: DiskOperation, _ name: String, _ body: (inout SimulatedDisk) throws(FileError) -> Void
    ) throws(FileError) {
        try self.operate(operation) { state, fault throws(FileError) in
            if fault == .ignored { return }
            if let fault, fault != .crash { throw Self.error(fault, name) }
            try body(&state.disk)
            if fault == .crash { throw Self.error(.crash, name) }
        }
    }

    private static func error(_ fault: DiskFault, _ what: String) -> FileError {
        switch fault {
        case .failed: FileError(.io, "\(what): input/output error")
        case .noSpace: FileError(.noSpace, "\(what): no space left on device")
        case .noDescriptors: FileError(.noDescriptors, "\(what): too many open files")
        case .crash, .ignored: FileError(.io, "\(what): the machine stopped")
        }
    }

    /// An open file. Dead as soon as another process began.
    private final class Handle: File {
        private let system: SimFileSystem
        private let file: Int
        private let name: String
        private let epoch: Int
        private let pastCache: Bool

        init(_ system: SimFileSystem, _ file: Int, _ name: String, epoch: Int, pastCache: Bool) {
            self.system = system
            self.file = file
            self.name = name
            self.epoch = epoch
            self.pastCache = pastCache
            system.handles.withLock { handles in
                handles.open += 1
                handles.most = max(handles.most, handles.open)
            }
        }

        deinit { self.system.handles.withLock { $0.open -= 1 } }

        private func operate<R>(
            _ operation: DiskOperation, _ body: (inout State, DiskFault?) throws(FileError) -> R
        ) throws(FileError) -> R {
            try self.system.operate(operation) { state, fault throws(FileError) in
                guard state.disk.epoch == self.epoch else { throw SimFileSystem.error(.crash, self.name) }
                return try body(&state, fault)
            }
        }

        var size: Int { self.system.state.withLock { $0.disk.size(of: self.file) } }

        func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
            try self.operate(.read(self.name, offset: offset, bytes: bytes.count)) { state, fault throws(FileError) in
                if let fault { throw SimFileSystem.error(fault, self.name) }
                if self.pastCache { state.disk.dropCleanPages(of: self.file) }
                return state.disk.read(self.file, at: offset, into: bytes)
            }
        }

        func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
            let operation = DiskOperation.write(self.name, offset: offset, bytes: bytes.count)
            try self.operate(operation) { state, fault throws(FileError) in
                switch fault {
                case nil: try state.disk.write(self.file, bytes, at: offset)
                case .ignored: break
                case .noSpace, .noDescriptors: throw SimFileSystem.error(fault ?? .noSpace, self.name)
                case .failed, .crash:
                    state.disk.writeTorn(self.file, bytes, at: offset, &state.random)
                    throw SimFileSystem.error(fault ?? .failed, self.name)
                }
            }
        }

        func sync() throws(FileError) {
            try self.operate(.sync(self.name)) { state, fault throws(FileError) in
                switch fault {
                case nil: state.disk.sync(self.file)
                case .ignored: break
                case .noSpace, .noDescriptors, .failed:
                    state.disk.failSync(self.file, &state.random)
                    throw SimFileSystem.error(fault ?? .failed, self.name)
                case .crash:
                    state.disk.syncPartly(self.file, &state.random)
                    throw SimFileSystem.error(.crash, self.name)
                }
            }
        }

        func truncate(to bytes: Int) throws(FileError) {
            try self.operate(.truncate(self.name)) { state, fault throws(FileError) in
                if fault == .ignored { return }
                if let fault, fault != .crash || state.random.chance(1, of: 2) {
                    throw SimFileSystem.error(fault, self.name)
                }
                try state.disk.truncate(self.file, to: bytes)
                if fault == .crash { throw SimFileSystem.error(.crash, self.name) }
            }
        }

        func prefetch(at offset: Int, bytes: Int) {}
    }
}
