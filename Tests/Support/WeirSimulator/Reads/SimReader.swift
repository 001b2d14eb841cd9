// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirModel
import WeirTestKit

/// Reads one shard from its first record to its end, by long polls or by a subscription, and then its children.
final class SimReader: LaneMember {
    unowned let load: Load
    let shard: ShardRef
    let isPushed: Bool
    private(set) var caller: LaneCaller!
    private var lane: Lane!
    private(set) var next: UInt64
    private(set) var isFinished = false
    private var subscription: UInt64?
    private var connections = 0
    /// Something is asked for: since when, and when it must have been answered.
    private(set) var asked: (sinceMillis: UInt64, dueMillis: UInt64?)?
    private var stalledUntil: UInt64 = 0
    /// Records behind `next` have been seen to be durable since then.
    var unseenSince: UInt64?

    init(_ load: Load, _ shard: ShardRef, from index: UInt64, isPushed: Bool) {
        self.load = load
        self.shard = shard
        self.next = index
        self.isPushed = isPushed
    }

    private var simulation: Simulation { self.load.simulation }

    func connect(_ process: EngineProcess) {
        self.connections += 1
        (self.lane, _, self.caller) = self.simulation.connect(process)
        self.lane.add(self.caller, self)
        self.asked = nil
        self.subscription = nil
        self.stalledUntil = 0
        self.lookUp()
        self.ask()
    }

    /// Positions that nobody uses: the connection may end while they are looked up.
    private func lookUp() {
        for _ in 0..<self.simulation.random.below(3) {
            self.lane.resolve(.trimHorizon, in: self.shard, self.caller) { result in
                guard case .failure(let error) = result, error.code != .unavailable, error.code != .limitExceeded
                else { return }
                self.simulation.guarded { () throws(Violation) in
                    throw Violation("\(self) cannot look up where its shard begins: \(error)")
                }
            }
        }
    }

    func disconnected(processLives: Bool) {
        self.asked = nil
        self.unseenSince = nil
        self.subscription = nil
        self.connections += 1
        if processLives, !self.isFinished { self.leave(self.caller) }
    }

    /// The connection ends.
    func leave(_ caller: LaneCaller) {
        if self.simulation.breakage == .leaksWaiters { return }
        self.lane.remove(caller)
        caller.holdings.close()
    }

    func releaseAnswers() -> Bool { true }
    func woken(_ wait: UInt64) {}
    func lookAgain() {}
    var hasRoom: Bool { self.simulation.now >= self.stalledUntil }

    /// Whether it waits for records, and nothing of its own is in their way.
    var isWaiting: Bool { self.asked != nil && self.hasRoom }

    private func ask() {
        guard !self.isFinished else { return }
        let now = self.simulation.now
        if self.isPushed {
            let call = ReadCall.pushed(self.shard, Reader())
            let connection = self.connections
            self.lane.check(self.next, in: self.shard, self.caller) { result in
                guard connection == self.connections else { return }
                switch result {
                case .success(let index):
                    do throws(WeirError) {
                        let id = try self.lane.subscribe(
                            call, from: index, credit: SubscriptionCredit(bytes: 100), self.caller,
                            to: Sink(self, self.connections))
                        self.subscription = id
                        self.asked = (self.simulation.now, nil)
                        self.lane.startPushing(id)
                    } catch {
                        self.refused(error)
                    }
                case .failure(let error): self.refused(error)
                }
            }
            return
        }
        let wait = self.simulation.random.within(0...max(1, self.load.plan.pollMillis))
        self.asked = (now, now + UInt64(wait))
        self.simulation.tally[.polls] += 1
        let connection = self.connections
        let call = ReadCall(
            shard: self.shard, maxRecords: self.simulation.random.pick([1, 5, 1000]),
            maxBytes: self.simulation.random.pick([1, 1000, 1 << 19]))
        self.lane.read(call, from: self.next, until: (now + UInt64(wait)) * 1_000_000, self.caller) { result in
            guard connection == self.connections else {
                if case .success(let found) = result { self.lane.left(found) }
                return
            }
            self.asked = nil
            switch result {
            case .success(let found):
                if found.recordCount == 0, found.endOfShard == nil { self.simulation.tally[.emptyPolls] += 1 }
                self.take(found)
            case .failure(let error): self.refused(error)
            }
        }
    }

    // MARK: A subscription

    /// The end of one connection; what comes to one that is gone is dropped.
    private final class Sink: RecordSink {
        private let reader: SimReader
        private let connection: Int

        init(_ reader: SimReader, _ connection: Int) {
            self.reader = reader
            self.connection = connection
        }

        func push(_ found: FoundRecords) {
            guard self.connection == self.reader.connections else { return self.reader.lane.left(found) }
            self.reader.push(found)
        }

        func ended(_ error: WeirError) {
            if self.connection == self.reader.connections { self.reader.ended(error) }
        }
    }

    private func push(_ found: FoundRecords) {
        self.simulation.tally[.pushes] += 1
        self.asked = nil
        self.take(found)
    }

    private func ended(_ error: WeirError) {
        self.subscription = nil
        self.refused(error)
    }

    // MARK: What came

    private func take(_ found: FoundRecords) {
        self.unseenSince = nil
        self.simulation.note("\(self) gets \(found.firstIndex)..<\(found.nextIndex), \(found.batchBytes) bytes")
        self.simulation.guarded { () throws(Violation) in
            guard found.firstIndex == self.next, found.missed == 0 else {
                throw Violation(
                    "a reader of \(self.shard) wants \(self.next) and gets \(found.firstIndex), \(found.missed) missed")
            }
            self.next = try self.simulation.node.judge(found)
        }
        self.simulation.tally[.observed] += found.recordCount
        let (lane, connection) = (self.lane!, self.connections)
        // Bytes leave a little later, whatever becomes of the connection.
        self.simulation.at(self.simulation.now + self.simulation.within(0...20), inEra: self.simulation.era) {
            if self.simulation.breakage == .leaksReadMemory, self.simulation.random.chance(1, of: 10) { return }
            lane.left(found)
        }
        if found.endOfShard != nil {
            self.isFinished = true
            self.asked = nil
            self.subscription = nil
            return self.load.finished(self, found.endOfShard ?? [])
        }
        self.simulation.at(self.simulation.now + self.simulation.within(0...20), inEra: self.simulation.era) {
            guard connection == self.connections else { return }
            guard let subscription = self.subscription else { return self.ask() }
            self.asked = (self.simulation.now, nil)
            if self.simulation.random.chance(1, of: 20) {
                // The client does not read for a while.
                let until = self.simulation.now + self.simulation.within(10...500)
                self.stalledUntil = until
                self.simulation.note("\(self) does not read until \(until)")
                self.unseenSince = nil
                self.simulation.at(until, inEra: self.simulation.era) {
                    if connection == self.connections { lane.sinkHasRoom(self.caller) }
                }
            }
            self.simulation.note("\(self) grants \(found.batchBytes) bytes")
            lane.grant(UInt32(clamping: max(1, found.batchBytes)), to: subscription)
        }
    }

    private func refused(_ error: WeirError) {
        self.asked = nil
        self.unseenSince = nil
        self.simulation.note("\(self) is refused: \(error)")
        guard [.unavailable, .throughputExceeded, .limitExceeded].contains(error.code) else {
            return self.simulation.guarded { () throws(Violation) in
                throw Violation("a reader of \(self.shard) at \(self.next) is refused: \(error)")
            }
        }
        let connection = self.connections
        self.simulation.at(self.simulation.now + self.simulation.within(1...100), inEra: self.simulation.era) {
            if connection == self.connections { self.ask() }
        }
    }
}

extension SimReader: CustomStringConvertible {
    var description: String {
        "the \(self.isPushed ? "subscription" : "polling reader") \(self.caller.id) of \(self.shard.shard)"
    }
}
