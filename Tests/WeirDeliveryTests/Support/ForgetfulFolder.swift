// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirDelivery

/// A destination in memory that several processes share, and that forgets in a power cut what was not synced.
final class ForgetfulFolder: Sendable {
    struct Content {
        var bytes: [UInt8] = []
        var synced = 0
    }

    struct Names: Equatable {
        var unfinished: [String: Int] = [:]
        var finals: [String: Int] = [:]
    }

    struct State {
        /// They survive a power cut at once.
        var notes: [String: [UInt8]] = [:]
        var contents: [Content] = []
        var now = Names()
        /// As they survive a power cut.
        var durable = Names()
    }

    private let state = Mutex(State())

    func with<R: Sendable>(_ body: (inout sending State) -> R) -> R { self.state.withLock { body(&$0) } }

    /// What is in files that have their names, by name.
    var files: [String: [UInt8]] {
        self.state.withLock { state in state.now.finals.mapValues { state.contents[$0].bytes } }
    }

    func removeUnfinished() {
        self.state.withLock { state in
            state.now.unfinished = [:]
            state.durable.unfinished = [:]
        }
    }

    var unfinishedCount: Int { self.state.withLock { $0.now.unfinished.count } }

    /// Names that were not synced, and bytes behind the last sync, are there afterwards or not.
    func cutPower(_ dice: inout Seeded) {
        var dice2 = dice
        self.state.withLock { state in
            func merge(_ durable: [String: Int], _ now: [String: Int]) -> [String: Int] {
                var result: [String: Int] = [:]
                for name in Set(durable.keys).union(now.keys).sorted() {
                    let sides = [durable[name], now[name]]
                    if let side = sides[0] == sides[1] ? sides[0] : sides[Int.random(in: 0...1, using: &dice2)] {
                        result[name] = side
                    }
                }
                return result
            }
            state.now.unfinished = merge(state.durable.unfinished, state.now.unfinished)
            state.now.finals = merge(state.durable.finals, state.now.finals)
            state.durable = state.now
            for index in state.contents.indices {
                let content = state.contents[index]
                let length = Int.random(in: content.synced...max(content.synced, content.bytes.count), using: &dice2)
                state.contents[index].bytes = Array(content.bytes.prefix(length))
                state.contents[index].synced = length
            }
        }
        dice = dice2
    }
}

/// The destination as one process sees it. `fuse` decides whether that is still alive.
struct ForgetfulDestination: Destination {
    let folder: ForgetfulFolder
    let fuse: Fuse

    private func step() throws(DestinationError) {
        guard self.fuse.burns() else { throw DestinationError(.lost, "the process is dead") }
    }

    func begin(_ unfinished: String) throws(DestinationError) -> any UnfinishedFile {
        try self.step()
        let content = self.folder.with { state in
            precondition(state.now.unfinished[unfinished] == nil, "\(unfinished) is there already")
            state.contents.append(ForgetfulFolder.Content())
            state.now.unfinished[unfinished] = state.contents.count - 1
            return state.contents.count - 1
        }
        return ForgetfulFile(folder: self.folder, fuse: self.fuse, content: content)
    }

    func look(at unfinished: String) throws(DestinationError) -> Stored? {
        try self.step()
        return self.folder.with { state in
            guard let content = state.now.unfinished[unfinished] else { return nil }
            state.contents[content].synced = state.contents[content].bytes.count
            return Stored(
                bytes: UInt64(state.contents[content].bytes.count),
                checksum: ForgetfulFile.checksum(state.contents[content].bytes))
        }
    }

    func publish(_ unfinished: String, as path: String) throws(DestinationError) -> Published {
        try self.step()
        let result: Published = self.folder.with { state in
            guard let content = state.now.unfinished[unfinished] else {
                return state.now.finals[path] == nil ? .missing : .wasThere
            }
            guard state.now.finals[path] == nil else { return .wasThere }
            state.now.finals[path] = content
            return .done
        }
        guard result != .missing else { return .missing }
        try self.step()
        self.folder.with { $0.now.unfinished[unfinished] = nil }
        return result
    }

    func exists(_ path: String) throws(DestinationError) -> Bool {
        try self.step()
        return self.folder.with { $0.now.finals[path] != nil }
    }

    func names(behind prefix: String) throws(DestinationError) -> [String] {
        try self.step()
        return self.folder.with { state in
            state.now.finals.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
                .filter { !$0.contains("/") }.sorted()
        }
    }

    func read(_ path: String) throws(DestinationError) -> [UInt8]? {
        try self.step()
        return self.folder.with { state in state.now.finals[path].map { state.contents[$0].bytes } }
    }

    func measure(_ path: String) throws(DestinationError) -> Stored? {
        try self.read(path).map { Stored(bytes: UInt64($0.count), checksum: ForgetfulFile.checksum($0)) }
    }

    func keep(_ note: String, _ bytes: [UInt8]) throws(DestinationError) {
        try self.step()
        self.folder.with { $0.notes[note] = bytes }
    }

    func notes(_ prefix: String) throws(DestinationError) -> [String] {
        try self.step()
        return self.folder.with { $0.notes.keys.filter { $0.hasPrefix(prefix) }.sorted() }
    }

    func note(_ name: String) throws(DestinationError) -> [UInt8]? {
        try self.step()
        return self.folder.with { $0.notes[name] }
    }

    func forget(_ note: String) throws(DestinationError) {
        try self.step()
        self.folder.with { $0.notes[note] = nil }
    }

    func settle(_ paths: [String]) throws(DestinationError) {
        try self.step()
        self.folder.with { state in for path in paths { state.durable.finals[path] = state.now.finals[path] } }
    }

    func settleUnfinished() throws(DestinationError) {
        try self.step()
        self.folder.with { $0.durable.unfinished = $0.now.unfinished }
    }

    func discard(_ unfinished: String) throws(DestinationError) {
        try self.step()
        self.folder.with { $0.now.unfinished[unfinished] = nil }
    }

    func unfinished(_ prefix: String) throws(DestinationError) -> [String] {
        try self.step()
        return self.folder.with { state in state.now.unfinished.keys.filter { $0.hasPrefix(prefix) }.sorted() }
    }
}

final class ForgetfulFile: UnfinishedFile {
    private let folder: ForgetfulFolder
    private let fuse: Fuse
    private let content: Int
    private(set) var stored = Stored(bytes: 0, checksum: 0)

    init(folder: ForgetfulFolder, fuse: Fuse, content: Int) {
        self.folder = folder
        self.fuse = fuse
        self.content = content
    }

    /// Any that tells contents apart will do.
    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(DestinationError) {
        guard self.fuse.burns() else { throw DestinationError(.lost, "the process is dead") }
        let more = Array(bytes)
        self.stored = self.folder.with { state in
            state.contents[self.content].bytes += more
            return Stored(
                bytes: UInt64(state.contents[self.content].bytes.count),
                checksum: Self.checksum(state.contents[self.content].bytes))
        }
    }

    func sync() throws(DestinationError) {
        guard self.fuse.burns() else { throw DestinationError(.lost, "the process is dead") }
        self.folder.with { $0.contents[self.content].synced = $0.contents[self.content].bytes.count }
    }

    func rest() {}
}
