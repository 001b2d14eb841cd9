// SPDX-License-Identifier: Apache-2.0
import WeirEngine
import WeirTestKit

/// Who acts in a history. Each mix looks deep into one part of the node; `all` looks for what they do to each other.
package enum Mix: String, CaseIterable, Sendable {
    /// A drill: clients and operators of many streams, and a disk and clocks that do everything a disk and clocks do.
    case disk
    /// Producers that keep the order of their keys, long polls and subscriptions.
    case load
    /// Workers that share the shards of a stream.
    case workers
    /// All of them in one history.
    case all

    /// As often as each is worth its time.
    package init(seed: UInt64) {
        var random = SplitMix64(seed: seed ^ 0x0a11_0f7e)
        switch random.below(20) {
        case 0...9: self = .disk
        case 10...11: self = .load
        case 12...17: self = .workers
        default: self = .all
        }
    }

    var hasLoad: Bool { self == .load || self == .all }
}

/// What a history is like, drawn from its seed.
struct Plan: CustomStringConvertible {
    let mix: Mix
    let node: NodePlan
    let load: LoadPlan
    let workers: WorkersPlan?
    let drill: DrillPlan?
    let shards: Int

    init(_ random: inout SplitMix64, seed: UInt64, mix: Mix, steps: Int) {
        self.mix = mix
        self.load = LoadPlan(&random, isLong: mix == .all)
        self.shards = random.within(1...4)
        switch mix {
        case .disk: self.node = NodePlan(seed: seed)
        default: self.node = NodePlan(&random).calm(&random, seed: seed)
        }
        switch mix {
        case .disk, .load: self.workers = nil
        // Producers and readers beside them make many events a second.
        case .all: self.workers = WorkersPlan(&random, sessions: [2_000, 5_000])
        case .workers: self.workers = WorkersPlan(&random, sessions: [2_000, 5_000, 5_000, 20_000, 60_000])
        }
        switch mix {
        case .disk: self.drill = DrillPlan(isAlone: true, steps: steps, pace: 1)
        case .all: self.drill = DrillPlan(isAlone: false, steps: .max, pace: UInt64(random.within(10...100)))
        case .load, .workers: self.drill = nil
        }
    }

    /// The drill plays the threads too, step by step, so that all of them are at all points.
    var isStepwise: Bool { self.drill?.isAlone ?? false }
    /// How often the node looks at what is due: as often as the product, or a bit less where nothing is that fast.
    var tick: UInt64 { self.workers?.tick ?? 50 }
    /// Milliseconds with trouble; `nil`: the drill says when it is over.
    var trouble: UInt64? { self.isStepwise ? nil : self.workers?.trouble ?? self.load.trouble }
    /// Within so many milliseconds everything must be done when nothing goes wrong any more.
    var patience: UInt64 { 180_000 + 6 * (self.workers?.session ?? 0) }
    /// How long the node is away when it has stopped.
    var downMillis: ClosedRange<UInt64> {
        self.isStepwise ? 0...0 : 20...(self.workers.map { 2 * $0.session } ?? 300)
    }

    var engineLimits: EngineLimits {
        EngineLimits(
            readMemoryBytesMax: self.load.readMemoryBytes, heldMemoryBytesMax: 1 << 20, waitersMax: 1000,
            readsPerCallerMax: 100, subscriptionsPerCallerMax: 100,
            leasesInOneStay: self.workers?.slice ?? 1_024)
    }

    var description: String {
        "\(self.mix): \(self.shards) shards; \(self.load)\(self.workers.map { "; \($0)" } ?? "")"
            + "\(self.drill.map { "; \($0)" } ?? ""); \(self.node)"
    }
}

/// What the drill is like.
struct DrillPlan: CustomStringConvertible {
    /// Nobody else acts: it makes time jump, and plays the threads.
    let isAlone: Bool
    let steps: Int
    /// Milliseconds between two steps, at most.
    let pace: UInt64

    var description: String {
        self.isAlone ? "a drill of \(self.steps) steps" : "a drill with a step in \(self.pace) ms"
    }
}
