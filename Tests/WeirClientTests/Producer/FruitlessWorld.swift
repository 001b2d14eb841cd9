// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

@testable import WeirClient

/// A `ProducerMachine` with a server and a network that do whatever comes to mind but never let a record be
/// acknowledged, in a time of its own.
struct FruitlessWorld {
    /// What becomes of the next thing that the producer tries, as far as it fits.
    enum Behaviour: CaseIterable {
        case nobodyListens
        case cutAfterHello
        case cutAtList
        case listRefused
        case listLags
        case listUnanswered
        case cutAtPut
        /// An answer of the wrong type, for which the client closes the connection.
        case wrongAnswer
        case logFull
        case noPause
        case outcomeUnknown
        case behind
        case wrongShard
        case newMap
        case creditExceeded
        case putUnanswered
    }

    static let milli: UInt64 = 1_000_000
    static let start: UInt64 = 5_000 * Self.milli

    var machine: ProducerMachine
    private(set) var now = Self.start
    private(set) var connects = 0
    private(set) var lists = 0
    /// Puts that were sent, which a server may have stored.
    private(set) var puts = 0
    private(set) var notices: [ProducerNotice] = []
    private(set) var failures: [WeirError] = []
    /// When the last record failed.
    private(set) var endedAt: UInt64 = 0
    private var version: UInt64 = 1
    private var dice: SeededGenerator

    init(_ configuration: ProducerConfiguration, seed: UInt64) {
        self.machine = ProducerMachine(.init(configuration, retry: RetryPolicy()))
        self.dice = SeededGenerator(seed: seed)
    }

    mutating func submit(_ keys: [String]) throws {
        let chunk = RecordChunk()
        for key in keys {
            [UInt8](repeating: 1, count: 10).withUnsafeBytes { data in
                Array(key.utf8).withUnsafeBytes { chunk.records.append(key: $0, explicitHashKey: nil, data: data) }
            }
        }
        chunk.seal()
        try self.machine.submit(chunk, now: self.now)
    }

    /// Until every record has failed, or `limit` has passed.
    mutating func run(limit: UInt64, _ behaviour: (inout SeededGenerator) -> Behaviour) {
        while self.machine.hasUnresolved, self.now < Self.start + limit {
            let what = behaviour(&self.dice)
            let happened = self.machine.isConnected ? self.serve(what) : self.connect(what)
            self.machine.tick(now: self.now)
            for chunk in self.machine.takeCompleted().chunks {
                for case .failure(let error) in chunk.takeResults() { self.failures.append(error) }
                self.machine.reported(chunk.ordinal)
                self.endedAt = self.now
            }
            self.notices += self.machine.takeNotices()
            if !happened { self.wait() }
        }
    }

    private mutating func wait() {
        var next = self.machine.nextDeadline(now: self.now) ?? .max
        if self.machine.wantsConnection { next = min(next, self.machine.connectAt(dice: 0)) }
        // What is due and does not come about would be a loop without a pause: a millisecond of it is counted.
        self.now = max(self.now + Self.milli, min(next, self.now + 1000 * Self.milli))
    }

    private mutating func connect(_ what: Behaviour) -> Bool {
        guard self.machine.wantsConnection, self.machine.connectAt(dice: 0) <= self.now else { return false }
        self.machine.connecting(now: self.now)
        self.connects += 1
        self.now += Self.milli / 10
        guard what != .nobodyListens else {
            self.machine.connectFailed(WeirError(.unavailable, "nobody listens"))
            return true
        }
        self.machine.connected(frameBytesMax: Limits.frameBytesMax, now: self.now)
        if what == .cutAfterHello { self.cut("cut after Hello") }
        return true
    }

    private mutating func cut(_ why: String) {
        self.now += Self.milli / 10
        self.machine.connectionLost(WeirError(.unavailable, why), now: self.now)
    }

    private mutating func serve(_ what: Behaviour) -> Bool {
        if self.machine.wantsMap(now: self.now) {
            self.machine.mapFetchStarted(now: self.now)
            self.lists += 1
            self.now += Self.milli / 10
            self.list(what)
            return true
        }
        var requests: [PutRequest] = []
        while let request = self.machine.nextRequest(now: self.now, mayPut: { _ in true }) { requests.append(request) }
        self.puts += requests.count
        guard !requests.isEmpty else { return false }
        self.now += Self.milli / 10
        for request in requests where self.machine.isConnected { self.answer(request, what) }
        return true
    }

    private mutating func list(_ what: Behaviour) {
        switch what {
        case .cutAtList: self.cut("cut at the list")
        case .listRefused:
            self.machine.mapFailed(WeirError(.unavailable, "the node starts"), isAnswer: true, now: self.now)
        case .listLags:
            self.machine.mapVersionSeen = self.version + 1
            self.machine.mapFetched(Self.map(self.version), now: self.now)
        case .listUnanswered: break
        case .newMap:
            self.version = max(self.version + 1, self.machine.mapVersionSeen)
            self.machine.mapFetched(Self.map(self.version), now: self.now)
        default:
            self.version = max(self.version, self.machine.mapVersionSeen)
            self.machine.mapFetched(Self.map(self.version), now: self.now)
        }
    }

    private mutating func answer(_ request: PutRequest, _ what: Behaviour) {
        switch what {
        case .logFull: self.refuse(request, .storageFull, after: 100)
        case .noPause: self.refuse(request, .unavailable, after: 0)
        case .outcomeUnknown: self.refuse(request, .outcomeUnknown, after: 100)
        case .behind: self.refuse(request, .behind, after: 0)
        case .creditExceeded: self.refuse(request, .creditExceeded, after: 50)
        case .wrongShard, .newMap: self.refuse(request, .wrongShard, after: nil)
        case .putUnanswered, .listUnanswered: break
        case .wrongAnswer: self.cut("the server does not keep to the protocol")
        default: self.cut("cut at the put")
        }
    }

    private mutating func refuse(_ request: PutRequest, _ code: WeirError.Code, after millis: UInt32?) {
        let verdict = millis.map { WeirError.Verdict(maybeStored: code == .outcomeUnknown, retry: .after(millis: $0)) }
        self.machine.refused(request.sequence, WeirError(code, "\(code)", verdict: verdict), now: self.now)
    }

    private static func map(_ version: UInt64) -> ShardMap {
        // The shards of each version are others, of which the producer knows nothing.
        let first = UInt32(truncatingIfNeeded: version) * 2
        return ShardMap(
            stream: StreamID(1), version: version,
            open: HashKeyRange.tiling(2).enumerated().map { number, range in
                ShardDescription(
                    number: ShardNumber(first + UInt32(number)), range: range, parents: [], creationSecond: 1,
                    firstIndex: 0, createdAtMillis: 0, closed: nil)
            })
    }
}
