// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirStorage

/// A disk with one folder that behaves as badly as real ones may. The rules:
///
/// 1. What was written and not synced may be on the disk after a power cut, or not, or in part: each sector of 512
///    bytes of each file by itself. A killed process loses nothing that the system had taken; a later power cut may
///    still.
/// 2. A write or a sync that fails (EIO) leaves any part of its sectors on the disk. After a failed sync the pages
///    count as clean: reads through the page cache return them, a second sync says success and writes nothing, a power
///    cut loses them. Reads past the page cache return what the disk holds.
/// 3. Creates, renames and removes before `syncFolder` may be lost at a power cut, each by itself; what stands in the
///    folder always names a whole older or newer file. The size of a file is durable with its first sync.
/// 4. Space is counted: over `capacity` a create or a write that extends fails (ENOSPC) and changes nothing.
/// 5. Bits turn when a test says so.
///
/// With `direct`, a write is on the disk when it returns, as with O_DIRECT and O_DSYNC.
struct SimulatedDisk {
    private enum Change {
        case link(String, Int)
        case rename(String, String)
        case unlink(String)
    }

    let direct: Bool
    /// Bytes that all files may take.
    var capacity: Int
    /// Reads past the page cache get the page cache all the same, as with a system that ignores the advice.
    var ignoresAdvice = false
    private var files: [Int: SimulatedFile] = [:]
    private var nextFile = 0
    /// The folder as it is seen, and as it surely is on the disk.
    private var names: [String: Int] = [:]
    private var durableNames: [String: Int] = [:]
    /// Changes of the folder since the last `syncFolder`, in order.
    private var changes: [Change] = []
    /// Rises with every start: what an earlier process opened is dead.
    private(set) var epoch = 0

    init(direct: Bool, capacity: Int, image: [String: [UInt8]]) {
        self.direct = direct
        self.capacity = capacity
        for (name, bytes) in image.sorted(by: { $0.key < $1.key }) {
            self.files[self.nextFile] = SimulatedFile(durable: bytes)
            self.names[name] = self.nextFile
            self.nextFile += 1
        }
        self.durableNames = self.names
    }

    var list: [String] { self.names.keys.sorted() }
    var used: Int { self.names.values.reduce(0) { $0 + (self.files[$1]?.size ?? 0) } }
    var free: Int { max(0, self.capacity - self.used) }

    /// What a power cut would leave for sure, by name.
    var durableImage: [String: [UInt8]] { self.durableNames.mapValues { self.files[$0]?.disk ?? [] } }
    /// What the system shows now, by name.
    var image: [String: [UInt8]] { self.names.mapValues { self.files[$0]?.cache ?? [] } }

    // MARK: The folder

    func find(_ name: String) throws(FileError) -> Int {
        guard let file = self.names[name] else { throw FileError(.notFound, "\(name): no such file") }
        return file
    }

    mutating func create(_ name: String, bytes: Int) throws(FileError) -> Int {
        guard self.names[name] == nil else { throw FileError(.alreadyExists, "\(name): file exists") }
        guard bytes <= self.free else { throw FileError(.noSpace, "\(name): no space left on device") }
        let file = self.nextFile
        self.nextFile += 1
        self.files[file] = SimulatedFile(zeros: bytes)
        self.names[name] = file
        self.changes.append(.link(name, file))
        return file
    }

    mutating func rename(_ name: String, to newName: String) throws(FileError) {
        let file = try self.find(name)
        self.names[name] = nil
        self.names[newName] = file
        self.changes.append(.rename(name, newName))
    }

    mutating func remove(_ name: String) throws(FileError) {
        _ = try self.find(name)
        self.names[name] = nil
        self.changes.append(.unlink(name))
    }

    mutating func syncFolder() {
        self.durableNames = self.names
        self.changes.removeAll()
    }

    // MARK: Files

    func size(of file: Int) -> Int { self.files[file]?.size ?? 0 }

    func read(_ file: Int, at offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        self.files[file]?.read(at: offset, into: target) ?? 0
    }

    mutating func dropCleanPages(of file: Int) {
        if !self.ignoresAdvice { self.files[file]?.dropCleanPages() }
    }

    mutating func write(_ file: Int, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        let growth = offset + bytes.count - self.size(of: file)
        guard growth <= self.free else { throw FileError(.noSpace, "no space left on device") }
        self.files[file]?.write(bytes, at: offset)
        if self.direct { self.files[file]?.sync() }
    }

    mutating func writeTorn(_ file: Int, _ bytes: UnsafeRawBufferPointer, at offset: Int, _ random: inout SplitMix64) {
        self.files[file]?.writeTorn(bytes, at: offset, &random)
        if self.direct { self.files[file]?.sync() }
    }

    mutating func sync(_ file: Int) { self.files[file]?.sync() }

    mutating func syncPartly(_ file: Int, _ random: inout SplitMix64) { self.files[file]?.syncPartly(&random) }

    mutating func failSync(_ file: Int, _ random: inout SplitMix64) {
        self.files[file]?.syncPartly(&random)
        self.files[file]?.forgetDirty()
    }

    mutating func truncate(_ file: Int, to bytes: Int) throws(FileError) {
        guard bytes - self.size(of: file) <= self.free else { throw FileError(.noSpace, "no space left on device") }
        self.files[file]?.truncate(to: bytes)
    }

    mutating func flip(_ name: String, bit: Int, at offset: Int) throws(FileError) {
        self.files[try self.find(name)]?.flip(bit: bit, at: offset)
    }

    mutating func edit(_ name: String, _ body: (inout [UInt8]) -> Void) throws(FileError) {
        let file = try self.find(name)
        var bytes = self.files[file]?.cache ?? []
        body(&bytes)
        self.files[file]?.replace(with: bytes)
    }

    // MARK: Ends

    /// The process is gone; what the system had taken stays as it is.
    mutating func killProcess() { self.epoch += 1 }

    /// Everything that was on its way arrives or is lost, each sector and each change of the folder by itself.
    mutating func cutPower(_ random: inout SplitMix64) {
        self.epoch += 1
        let odds = random.below(5)
        var after = self.durableNames
        for change in self.changes where random.chance(odds, of: 4) {
            switch change {
            case .link(let name, let file): after[name] = file
            case .rename(let name, let newName):
                guard let file = after[name] else { continue }
                after[name] = nil
                after[newName] = file
            case .unlink(let name): after[name] = nil
            }
        }
        self.changes.removeAll()
        self.names = after
        self.durableNames = after
        let reached = Set(after.values)
        for file in self.files.keys.sorted() {
            if reached.contains(file) {
                self.files[file]?.cutPower(&random)
            } else {
                self.files[file] = nil
            }
        }
    }
}
