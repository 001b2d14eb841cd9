// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirConsumer
import WeirDelivery
import WeirIO
import WeirModel

/// The lease of one shard, as the server keeps it: fenced by its counter.
final class LeaseBook: Sendable {
    struct Row {
        var counter: UInt64 = 0
        var checkpoint = LeaseCheckpoint.trimHorizon
        var state: [UInt8] = []
    }

    private let row = Mutex(Row())

    var now: Row { self.row.withLock { $0 } }

    /// Somebody else gets the lease.
    func next() -> UInt64 {
        self.row.withLock { row in
            row.counter += 1
            return row.counter
        }
    }

    func change(_ counter: UInt64, _ body: (inout Row) throws(WeirError) -> Void) throws(WeirError) {
        let result: Result<Void, WeirError> = self.row.withLock { row in
            do throws(WeirError) {
                guard row.counter == counter else { throw WeirError(.leaseLost, "it is another's") }
                try body(&row)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}

struct BookedLease: LeaseHandle {
    let book: LeaseBook
    let fuse: Fuse
    let counter: UInt64

    private func step() async throws(WeirError) {
        guard await self.fuse.burnsInTurn() else { throw WeirError(.leaseLost, "the process is dead") }
    }

    func state() async throws(WeirError) -> [UInt8] {
        try await self.step()
        var state: [UInt8] = []
        try self.book.change(self.counter) { state = $0.state }
        return state
    }

    func saveState(_ state: [UInt8], replacing: [UInt8]) async throws(WeirError) {
        try await self.step()
        try self.book.change(self.counter) { row throws(WeirError) in
            guard row.state == replacing else { throw WeirError(.invalidArgument, "something else is there") }
            row.state = state
        }
    }

    func checkpoint(at number: SequenceNumber) async throws {
        try await self.step()
        try self.book.change(self.counter) { row throws(WeirError) in
            let next = LeaseCheckpoint.sequenceNumber(number, subSequence: nil)
            guard next.isAtOrAfter(row.checkpoint) else {
                throw WeirError(.invalidArgument, "\(next) lies before \(row.checkpoint)")
            }
            row.checkpoint = next
        }
    }

    func checkpointEnd() async throws {
        try await self.step()
        try self.book.change(self.counter) { $0.checkpoint = .shardEnd }
    }
}

/// Time stands, and nobody waits for it.
struct StandingClock: Clock {
    let monotonicNanos: UInt64
    var wallMillis: Int64 { Int64(self.monotonicNanos / 1_000_000) }

    func schedule(at nanoseconds: UInt64, _ body: @escaping @Sendable () -> Void) {}
    func sleep(until nanoseconds: UInt64) async throws {
        guard nanoseconds > self.monotonicNanos else { return }
        throw CancellationError()
    }
}

/// One shard, its lease and a folder; processes deliver it one after the other, or beside each other.
struct World: Sendable {
    let book = LeaseBook()
    let folder = ForgetfulFolder()
    let records: [Record]
    var steps = NamingStep.order
    var heedsIntents = true
    var pattern = "!{timestamp:ss}/"
    var files = DeliveryMachine.Settings(fileBytes: 12, fileNanos: .max / 4, openMax: 3, activeMax: 2, intentMax: 2)

    init(_ arrivals: [Int64]) {
        self.records = arrivals.enumerated().map { Samples.record(UInt64($0), arrivalMillis: $1) }
    }

    /// Records of `seconds` seconds, in turns: so many partitions are open beside each other.
    static func mixed(_ count: Int, seconds: Int) -> World {
        World((0..<count).map { Int64(($0 * 7 + $0 / 5) % seconds) * 1000 })
    }

    private func settings() throws -> DeliverySettings {
        var settings = DeliverySettings(
            stream: try StreamName("s"), streamTag: "7.a", application: try ApplicationName("deliver"),
            pattern: try PrefixPattern(self.pattern), compression: .none, files: self.files,
            form: .data(delimiter: [UInt8(ascii: "\n")]), clock: StandingClock(monotonicNanos: 1))
        settings.steps = self.steps
        settings.heedsIntents = self.heedsIntents
        return settings
    }

    enum Leaving: Sendable {
        case endsShard
        case finishes
        /// As a worker that dies when everything was given to it.
        case vanishes
    }

    /// Takes the lease and delivers from the checkpoint on, `batch` records a call, at most `calls` of them.
    func deliver(_ fuse: Fuse, batch: Int = 3, calls: Int = .max, _ leaving: Leaving = .endsShard) async throws {
        defer { fuse.ended() }
        let lease = BookedLease(book: self.book, fuse: fuse, counter: self.book.next())
        let shard = ShardDelivery(
            Samples.shard, try self.settings(), ForgetfulDestination(folder: self.folder, fuse: fuse), DeliveryBoard())
        let checkpoint = self.book.now.checkpoint
        var next = 0
        switch checkpoint {
        case .sequenceNumber(let number, _): next = Int(number.index) + 1
        case .shardEnd: return
        default: break
        }
        do {
            try await shard.begin(from: checkpoint, lease)
            var left = calls
            while next < self.records.count, left > 0 {
                left -= 1
                let end = min(next + batch, self.records.count)
                try await shard.take(
                    UserRecords(
                        self.records[next..<end].map { UserRecord($0) }, shard: Samples.shard, millisBehindLatest: 0))
                next = end
            }
            switch leaving {
            case .endsShard where next == self.records.count: try await shard.endShard()
            case .vanishes: break
            default: try await shard.finish()
            }
        } catch {
            await shard.lose()
            throw error
        }
    }

    static let patterns = ["!{timestamp:ss}/", "p-!{timestamp:s}-", "!{timestamp:mm}/"]

    /// What is before the name of a file that a record of that second may be in, for each pattern.
    private static func prefixes(_ millis: Int64) -> [String] {
        let second = millis / 1000
        return [second < 10 ? "0\(second)/" : "\(second)/", "p-\(second)-", "00/"]
    }

    /// `nil`: each record is in one file, which has its prefix.
    var faults: String? {
        var seen: [Int: Int] = [:]
        var misplaced: [String] = []
        for (name, bytes) in self.folder.files {
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                let index = Int(line) ?? -1
                seen[index, default: 0] += 1
                guard self.records.indices.contains(index) else { continue }
                let prefixes = Self.prefixes(self.records[index].approximateArrivalMillis)
                if !prefixes.contains(where: { name.hasPrefix($0 + "s-shardId-") }) {
                    misplaced.append("\(index) in \(name)")
                }
            }
        }
        let missing = self.records.indices.filter { seen[$0] == nil }
        let doubled = seen.filter { $0.value > 1 }.keys.sorted()
        return missing.isEmpty && doubled.isEmpty && misplaced.isEmpty && seen.count == self.records.count
            ? nil : "missing \(missing), doubled \(doubled), misplaced \(misplaced)"
    }
}
