// SPDX-License-Identifier: Apache-2.0
import WeirEngine
import WeirModel
import WeirTestKit

/// What a history of the engine is like, drawn from its seed.
struct EnginePlan: CustomStringConvertible {
    let lanes: Int
    let producers: Int
    let keysPerProducer: Int
    /// Puts of one producer without an answer.
    let window: Int
    let readers: Int
    let shards: Int
    let limits: RateLimits
    let readMemoryBytes: Int
    /// Milliseconds with trouble.
    let trouble: UInt64
    /// The longest wait of a read, in milliseconds.
    let pollMillis: Int
    let recordBytesMax: Int
    /// A put in so many milliseconds, for each producer.
    let pace: Int

    init(_ random: inout SplitMix64) {
        self.lanes = random.within(1...3)
        self.producers = random.within(1...4)
        self.keysPerProducer = random.within(1...4)
        self.window = random.pick([1, 2, 4, 8])
        self.readers = random.within(1...2)
        self.shards = random.within(1...3)
        let isLimited = random.chance(2, of: 3)
        self.limits = RateLimits(
            bytesIn: isLimited && random.chance(1, of: 3) ? 4000 : nil,
            recordsIn: isLimited ? Int64(random.pick([5, 20, 100])) : nil, bytesOut: nil,
            readsOut: isLimited && random.chance(1, of: 4) ? 20 : nil)
        self.readMemoryBytes = random.pick([1 << 20, 3 << 20, 64 << 20])
        self.trouble = UInt64(random.within(2_000...8_000))
        self.pollMillis = random.pick([0, 50, 1000, 5000])
        self.recordBytesMax = random.pick([20, 60, 400])
        self.pace = random.pick([5, 20, 100])
    }

    var engineLimits: EngineLimits {
        EngineLimits(
            readMemoryBytesMax: self.readMemoryBytes, heldMemoryBytesMax: 1 << 20, waitersMax: 1000,
            readsPerCallerMax: 100, subscriptionsPerCallerMax: 100)
    }

    var description: String {
        "\(self.lanes) lanes, \(self.producers) producers with \(self.keysPerProducer) keys and \(self.window) puts "
            + "under way, one in \(self.pace) ms, \(self.readers) readers a shard that wait \(self.pollMillis) ms, "
            + "\(self.shards) shards, limits \(self.limits), \(self.readMemoryBytes >> 20) MiB for reads, "
            + "\(self.trouble) ms of trouble"
    }
}

/// Engines that break a rule on purpose, made by changing what the driver does around the engine: the product has no
/// such switch. The auditors must catch every one.
package enum EngineBreakage: String, CaseIterable, Sendable {
    /// Rates are counted by a clock that runs four times as fast.
    case admitsTooMuch
    /// An admission forgets what it refused: an ordered put passes a refused one.
    case forgetsRefusals
    /// A long poll hears nothing of what becomes durable.
    case neverWakesPolls
    /// A long poll is not answered at its deadline.
    case forgetsDeadlines
    /// An answer is given before its mark is reached.
    case answersTooEarly
    /// What a failed write has lost is answered as if it were stored.
    case answersWhatIsLost
    /// Memory for records is not given back when they have left.
    case leaksReadMemory
    /// A caller goes, and what waits for it stays.
    case leaksWaiters
    /// A put that has an answer gets a second one.
    case answersTwice
    /// A put gets no answer.
    case forgetsAnswers
}

/// What histories of the engine held.
package struct EngineTally: Sendable, CustomStringConvertible {
    package var events = 0
    package var acknowledged = 0
    package var throttled = 0
    /// Refused behind a refusal.
    package var behind = 0
    package var unknown = 0
    package var polls = 0
    package var emptyPolls = 0
    package var pushes = 0
    package var read = 0
    package var reshards = 0
    package var reconnects = 0
    package var crashes = 0
    package var powerCuts = 0
    package var failures = 0
    package var simulatedMillis = 0

    package init() {}

    package static func += (left: inout Self, right: Self) {
        left.events += right.events
        left.acknowledged += right.acknowledged
        left.throttled += right.throttled
        left.behind += right.behind
        left.unknown += right.unknown
        left.polls += right.polls
        left.emptyPolls += right.emptyPolls
        left.pushes += right.pushes
        left.read += right.read
        left.reshards += right.reshards
        left.reconnects += right.reconnects
        left.crashes += right.crashes
        left.powerCuts += right.powerCuts
        left.failures += right.failures
        left.simulatedMillis += right.simulatedMillis
    }

    package var description: String {
        "\(Tally.hours(self.simulatedMillis)), \(self.events) events; \(self.acknowledged) records acknowledged, "
            + "\(self.throttled) throttled, \(self.behind) refused behind those, \(self.unknown) of unknown outcome; "
            + "\(self.polls) long polls (\(self.emptyPolls) empty), \(self.pushes) pushes, \(self.read) records read; "
            + "\(self.reshards) reshardings, \(self.reconnects) reconnects, \(self.crashes) crashes "
            + "(\(self.powerCuts) power cuts), \(self.failures) failed writes"
    }
}
