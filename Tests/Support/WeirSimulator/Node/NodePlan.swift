// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirStorage
import WeirTestKit

/// What a run is like, drawn from its seed: the disk's nature, sizes, and how often things go wrong.
struct NodePlan: CustomStringConvertible {
    let direct: Bool
    let ignoresAdvice: Bool
    private(set) var configuration: StorageConfiguration
    private(set) var capacity: Int
    /// One crash in so many operations that change the disk; 0 is none.
    private(set) var crashEvery: Int
    /// One failed write or sync in so many operations; 0 is none.
    private(set) var failEvery: Int
    private(set) var clockJumps: Bool
    /// The system says that its clock follows a time server, also when it lies.
    let isSynchronized: Bool
    /// The clock may be wrong, by any amount, when a process starts.
    private(set) var clockJumpsAtStarts: Bool
    private(set) var fillsDisk: Bool
    /// Bytes of a record's data, at most.
    private(set) var recordBytesMax: Int
    private(set) var recordsMax: Int
    private(set) var keys: Int
    /// Commits are small, so that all their borders are near, and sizes are drawn around them.
    private(set) var hasNearBorders = false
    /// Clients change leases, too.
    private(set) var hasLeases = false
    private(set) var extras: Set<Extra> = []

    enum Extra {
        case caps
        case facts
    }

    /// All streams have size caps, which are reached.
    var hasCaps: Bool { self.extras.contains(.caps) }
    /// Streams, consumers and applications carry attributes, and streams change their profile.
    var hasFacts: Bool { self.extras.contains(.facts) }

    init(_ random: inout SplitMix64) {
        self.direct = random.chance(1, of: 2)
        self.ignoresAdvice = !self.direct && random.chance(1, of: 4)
        var configuration = StorageConfiguration(folder: "(simulated)")
        configuration.segmentBytesMin = random.pick([64 << 10, 64 << 10, 128 << 10])
        configuration.segmentBytesMax = random.pick([64 << 10, 64 << 10, 256 << 10])
        configuration.tailBytes = random.pick([8 << 10, 64 << 10, 4 << 20])
        configuration.indexBytesMax = random.pick([0, 2000, 1 << 20])
        configuration.pendingBytesMax = random.pick([256 << 10, 16 << 20])
        configuration.logBytesMax = random.pick([4 << 20, 1 << 30, 1 << 30])
        configuration.freeBytesFloor = 2 << 20
        configuration.bounds = Catalog.Bounds(streamsMax: 4, openShardsMax: 40)
        self.configuration = configuration
        self.capacity = random.pick([16 << 20, 1 << 30])
        self.crashEvery = random.pick([0, 40, 150, 150])
        self.failEvery = random.pick([0, 0, 60, 200])
        self.clockJumps = random.chance(1, of: 6)
        self.fillsDisk = random.chance(1, of: 6)
        self.recordBytesMax = random.pick([60, 400, 3000, 20_000])
        self.recordsMax = random.pick([1, 5, 20])
        self.keys = random.pick([3, 20])
        self.isSynchronized = self.clockJumps && random.chance(1, of: 2)
        self.clockJumpsAtStarts = self.clockJumps
    }

    /// Of a history in which the drill acts alone.
    init(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        self.init(&random)
        self.drawBorders(seed)
        self.drawCaps(seed)
        self.drawFacts(seed)
    }

    /// In some histories commits are small.
    private mutating func drawBorders(_ seed: UInt64) {
        var random = SplitMix64(seed: seed ^ 0x5e_edb0_4e87)
        switch random.below(8) {
        case 0...1: self.hasNearBorders = true
        case 2: self.hasLeases = true
        default: return
        }
        guard self.hasNearBorders else { return }
        self.hasLeases = true
        self.configuration.commitBounds = CommitBounds(
            closeBytes: random.pick([600, 4096, 4100, 9000, 20_000]),
            waitingBytes: random.pick([0, 64, 300, 2000, 8192]), bufferBytes: random.pick([4096, 8192, 16_384]))
    }

    /// In one of eight histories all streams have size caps, and records are large enough to reach them.
    private mutating func drawCaps(_ seed: UInt64) {
        var random = SplitMix64(seed: seed ^ 0xcac0)
        guard random.below(8) == 0 else { return }
        self.extras.insert(.caps)
        self.recordBytesMax = random.pick([20_000, 60_000])
        self.recordsMax = random.pick([5, 20])
        self.configuration.segmentBytesMax = random.pick([64 << 10, 512 << 10, 2 << 20])
    }

    /// In one of six histories.
    private mutating func drawFacts(_ seed: UInt64) {
        var random = SplitMix64(seed: seed ^ 0xfac7_06fd)
        if random.below(6) == 0 { self.extras.insert(.facts) }
    }

    /// For histories in which all records must be read: nothing of them expires and the disk does not fill.
    func calm(_ random: inout SplitMix64, seed: UInt64) -> NodePlan {
        var plan = self
        plan.configuration.logBytesMax = 1 << 30
        plan.configuration.pendingBytesMax = 16 << 20
        plan.capacity = 1 << 30
        plan.fillsDisk = false
        // What a clock hides is not read.
        plan.clockJumpsAtStarts = false
        plan.crashEvery = random.pick([0, 0, 300, 1000])
        plan.failEvery = random.pick([0, 0, 400, 1000])
        plan.recordBytesMax = random.pick([20, 60, 400])
        plan.recordsMax = random.pick([1, 5])
        plan.keys = random.pick([3, 8])
        plan.drawBorders(seed)
        // Those are changed by workers, and have judges of their own.
        plan.hasLeases = false
        return plan
    }

    private var clockText: String {
        guard self.clockJumps else { return "" }
        return ", the clock jumps" + (self.isSynchronized ? " and is called synchronized" : "")
    }

    var description: String {
        "\(self.direct ? "direct" : "buffered")\(self.ignoresAdvice ? ", advice ignored" : ""), segments of "
            + "\(self.configuration.segmentBytesMin >> 10) to \(self.configuration.segmentBytesMax >> 10) KiB, tail "
            + "\(self.configuration.tailBytes >> 10) KiB, index \(self.configuration.indexBytesMax) bytes, "
            + "a crash every \(self.crashEvery) and a failure every \(self.failEvery) changes of the disk"
            + "\(self.clockText)\(self.fillsDisk ? ", the disk fills" : ""), records up to "
            + "\(self.recordBytesMax) bytes, \(self.recordsMax) a put, \(self.keys) keys"
            + "\(self.hasCaps ? ", size caps" : "")\(self.hasLeases ? ", leases" : "")"
            + "\(self.hasFacts ? ", attributes" : "")"
            + "\(self.hasNearBorders ? ", \(self.configuration.commitBounds)" : "")"
    }
}
