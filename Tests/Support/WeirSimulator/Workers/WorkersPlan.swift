// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirTestKit

/// What workers and their trouble are like. Times in milliseconds.
struct WorkersPlan: CustomStringConvertible {
    let session: UInt64
    /// How long things go wrong, before everything heals.
    let trouble: UInt64
    let workers: Int
    let start: StreamStart
    /// One message in so many is slow; 0 is none.
    let slowEvery: Int
    /// One batch in so many takes its processor long; 0 is none.
    let slowProcessorEvery: Int
    let automatic: Bool
    let resets: Bool
    /// Operators take a shard and its grandparent back and let the parent between them be.
    let skipsGenerations: Bool
    /// Leases that the node looks at in one stay under the log's lock.
    let slice: Int

    init(_ random: inout SplitMix64, sessions: [UInt64]) {
        self.session = random.pick(sessions)
        self.trouble = self.session * UInt64(random.within(3...7))
        self.workers = random.within(1...4)
        self.start = random.pick([.trimHorizon, .trimHorizon, .latest])
        self.slowEvery = random.pick([0, 10, 40])
        self.slowProcessorEvery = random.pick([0, 0, 20])
        self.automatic = random.chance(1, of: 2)
        self.resets = random.chance(1, of: 3)
        self.skipsGenerations = self.resets && random.chance(1, of: 4)
        self.slice = random.pick([1, 2, 3, 5, 1_024, 1_024])
    }

    /// How often the node looks at its groups. As often as the product, or a bit less where nothing is that fast.
    var tick: UInt64 { self.session <= 5_000 ? 80 : 250 }
    /// Nothing of a session is on its way for longer.
    var delayMax: UInt64 { self.session / 4 }
    /// An eligible shard of which nobody takes care may lie for as long, while somebody is there.
    var unheldMax: UInt64 { self.session + self.session / 2 + 2_000 }

    var description: String {
        "session \(self.session) ms, trouble for \(self.trouble) ms, \(self.workers) workers, "
            + "from \(self.start), checkpoints \(self.automatic ? "automatic" : "now and then")"
            + "\(self.slowEvery > 0 ? ", one message in \(self.slowEvery) is slow" : "")"
            + "\(self.slowProcessorEvery > 0 ? ", slow processors" : "")\(self.resets ? ", resets" : "")"
            + "\(self.skipsGenerations ? " that skip generations" : "")"
            + "\(self.slice < 1_024 ? ", leases in slices of \(self.slice)" : "")"
    }
}
