// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// A drill of the log: clients who put to many streams and read them, and operators who make, change and delete these,
/// each in one step after the other.
///
/// Where it acts alone, the threads of the node, the time and the disk's space are steps too: all of them come at all
/// points. Commands are drawn as if nobody needed the streams, so nobody else uses them.
final class Drill: SimActor {
    unowned let simulation: Simulation
    let plan: DrillPlan
    var random: SplitMix64
    let client: LooseClient
    private var nextName = 0

    init(_ simulation: Simulation, _ plan: DrillPlan) {
        self.simulation = simulation
        self.plan = plan
        self.random = SplitMix64(seed: simulation.random.next())
        self.client = LooseClient(simulation)
    }

    var node: SimNode { self.simulation.node }
    var core: LogCore { self.node.core }
    /// Those of the drill.
    var streams: [StreamState] {
        self.core.catalog.streams(after: nil, limit: .max).filter { $0.id != self.simulation.stream }
    }

    // MARK: The history

    func begin() throws(Violation) { self.scheduleStep() }

    private func scheduleStep() {
        self.simulation.after(UInt64(self.random.below(Int(self.plan.pace) + 1)), at: .node) { () throws(Violation) in
            guard !self.simulation.isEnding else { return }
            guard self.simulation.tally[.steps] < self.plan.steps else { return try self.simulation.heal() }
            self.simulation.tally[.steps] += 1
            if self.simulation.process != nil {
                if self.plan.isAlone { try self.stepAlone() } else { try self.step() }
            }
            if self.simulation.process != nil, !self.node.disk.isDown { try self.node.audit() }
            self.scheduleStep()
        }
    }

    private func stepAlone() throws(Violation) {
        self.node.armFaults()
        if self.node.plan.hasLeases, self.random.chance(1, of: 4) { try self.changeLeases() }
        try self.changeFacts()
        switch self.random.weighted([26, 80, 26, 8, 9, 4, 4, 10, 1, 1]) {
        case 0:
            guard !self.streams.isEmpty else { return try self.create() }
            try self.client.put(to: self.random.pick(self.streams))
        case 1: try self.node.write()
        case 2: try self.node.doUpkeep()
        case 3: try self.tick()
        case 4: try self.read()
        case 5: try self.resolve()
        case 6: try self.command()
        case 7: self.node.passMuch()
        case 8: self.node.fillDisk()
        default: if self.random.chance(1, of: 6) { try self.node.stopAndStart() }
        }
    }

    private func step() throws(Violation) {
        switch self.random.weighted([26, 9, 4, 6]) {
        case 0:
            guard !self.streams.isEmpty else { return try self.create() }
            try self.client.put(to: self.random.pick(self.streams))
        case 1: try self.read()
        case 2: try self.resolve()
        default: try self.command()
        }
    }

    private func tick() throws(Violation) {
        // The owners of the leases that a drill gives away are nobody who could be expected.
        if let process = self.simulation.process, !self.node.plan.hasLeases {
            try self.simulation.tickLanes(process)
        }
        try self.node.tick()
    }

    func nodeStarted(_ process: EngineProcess) throws(Violation) { self.client.connect(process) }
    func nodeEnded() { self.client.disconnected() }
    func leave() { self.client.leave() }

    /// Any lane: what is not a client's own.
    var lane: Lane? {
        self.simulation.process.map { self.random.pick($0.hosts).lane }
    }

    // MARK: Commands

    private func command() throws(Violation) {
        guard let stream = self.streams.isEmpty ? nil : self.random.pick(self.streams) else { return try self.create() }
        let open = stream.map.shards
        switch self.random.below(20) {
        case 0...1: try self.create()
        case 2:
            self.node.tellings.wantedDeleted.insert(stream.id)
            try self.submit(.deleteStream(stream.id))
        case 3...6: try self.submit(.splitShard(stream.id, self.random.pick(open).number, at: nil))
        case 7...9:
            guard open.count > 1 else { return }
            let position = self.random.below(open.count - 1)
            try self.submit(.mergeShards(stream.id, open[position].number, open[position + 1].number))
        case 10...11: try self.submit(.rescale(stream.id, to: self.random.within(1...8)))
        case 12...13:
            let hours = Int64(self.random.within(1...5))
            try self.submit(.updateStream(stream.id, StreamChanges(retentionMillis: hours * 3_600_000)))
        case 14...15:
            let before = self.node.now - Int64(self.random.below(1_800_000))
            try self.submit(.trimStream(stream.id, beforeMillis: before))
        case 16...17:
            let cap: Int64?? = self.random.chance(1, of: 3) ? .some(nil) : .some(Int64(1 << 20))
            try self.submit(.updateStream(stream.id, StreamChanges(maxBytes: cap)))
        default: try self.submit(.rescale(stream.id, to: open.count))
        }
    }

    private func create() throws(Violation) {
        self.nextName += 1
        guard let name = try? StreamName("stream-\(self.nextName % 7)") else { return }
        // With a rate, records that the server routes go to each shard by themselves.
        let rates = RateLimits(bytesIn: nil, recordsIn: 1_000_000, bytesOut: nil, readsOut: nil)
        let settings = StreamSettings(
            retentionMillis: Int64(self.random.within(1...3)) * 3_600_000,
            maxBytes: self.random.chance(1, of: 3) || self.node.plan.hasCaps ? 1 << 20 : nil,
            limits: self.random.chance(1, of: 2) ? .open : .explicit(rates))
        try self.submit(.createStream(name: name, shards: self.random.within(1...4), settings: settings))
    }

    func submit(_ command: CatalogCommand) throws(Violation) {
        guard let lane = self.lane else { return }
        let reshards = self.core.catalog.version
        try self.node.change(command) { () throws(WeirError) in
            let told = try Self.run(command, lane, self.node.now)
            // What is told now must be what anybody may be told, whatever becomes of the node.
            let version = self.core.catalog.version
            lane.whenDurable(told) {
                guard self.node.told.version < version else { return }
                self.simulation.guarded { () throws(Violation) in
                    throw Violation("\(command) is told as done before it is durable")
                }
            } onFailure: {
            }
        }
        guard self.core.catalog.version > reshards else { return }
        switch command {
        case .splitShard, .mergeShards, .rescale: self.simulation.tally[.reshards] += 1
        default: break
        }
    }

    /// Returns the mark from which on it may be told.
    private static func run(_ command: CatalogCommand, _ lane: Lane, _ now: Int64) throws(WeirError) -> Mark {
        func mark<Value>(_ told: Told<Value>) throws(WeirError) -> Mark {
            _ = try told.value.get()
            return told.mark
        }
        switch command {
        case .createStream(let name, let shards, let settings):
            return try mark(lane.createStream(name, shards: shards, settings: settings))
        case .deleteStream(let id): return try mark(lane.deleteStream(id))
        case .updateStream(let id, let changes): return try mark(lane.updateStream(id, changes))
        case .trimStream(let id, let before): return try mark(lane.trimStream(id, beforeMillis: before))
        case .splitShard(let id, let shard, let key):
            return try mark(lane.splitShard(ShardRef(stream: id, shard: shard), at: key))
        case .mergeShards(let id, let first, let second): return try mark(lane.mergeShards(of: id, first, second))
        case .rescale(let id, let shards): return try mark(lane.rescale(id, to: shards))
        default:
            return try lane.withLog { log throws(WeirError) in try log.submit(command, nowMillis: now).mark }
        }
    }
}
