// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirConsumer
import WeirDelivery
import WeirModel

/// A folder that is marked as whole has each of its records, whoever is killed when.
@Suite struct ManifestTests {
    private static let since: Int64 = 2_000_000

    private static func rules(_ dice: inout Seeded) throws -> DeliveryProtocol.Rules {
        let files = DeliveryMachine.Settings(
            fileBytes: UInt64.random(in: 1...40, using: &dice), measure: .input,
            fileNanos: Bool.random(using: &dice) ? 0 : .max / 4, openMax: Int.random(in: 1...4, using: &dice),
            activeMax: 3, intentMax: Int.random(in: 1...3, using: &dice))
        var rules = DeliveryProtocol.Rules(
            stream: try StreamName("s"), streamTag: "7.a", application: try ApplicationName("deliver"),
            shard: Samples.shard, pattern: try PrefixPattern("!{timestamp:yyyy-MM-dd-HH-mm-ss}/"),
            compression: .none, files: files)
        rules.notes = true
        return rules
    }

    private static let shard = ShardDescription(
        number: Samples.shard, range: .all, parents: [], creationSecond: 1000, firstIndex: 0,
        createdAtMillis: 1_000_000,
        closed: nil)

    /// As a worker of its own, which may stop behind any of its steps.
    private static func look(_ world: World, now: Int64, through seen: Int, _ fuse: Fuse, _ draw: UInt64) throws {
        let row = world.book.now
        var next = 0
        if case .sequenceNumber(let number, _) = row.checkpoint { next = Int(number.index) + 1 }
        if row.checkpoint == .shardEnd { next = seen }
        let lease = LeaseDescription(
            shard: Samples.shard, owner: nil, counter: row.counter, checkpoint: row.checkpoint, parents: [],
            ownerSwitchesSinceCheckpoint: 0, handingOverTo: nil, reset: nil,
            lag: .init(records: UInt64(max(0, seen - next)), millis: 0))
        let watermark = Completeness.watermark(shards: [Self.shard], leases: [lease], now: now)
        let destination = ForgetfulDestination(folder: world.folder, fuse: fuse)
        var notes: [FileNote] = []
        for name in try destination.notes("7.a-") {
            notes += try #require(FileNote.decode(try destination.note(name) ?? []))
        }
        let writer = ManifestWriter(
            try StreamName("s"), streamTag: "7.a", destination, dice: { draw })
        let folders = Completeness.whole(notes, watermark: try #require(watermark), lateness: 0)
        for folder in folders {
            _ = try writer.publish(folder.path, folder.notes, completeThrough: try #require(watermark))
        }
        for name in try destination.notes("7.a-") {
            let files = FileNote.decode(try destination.note(name) ?? []) ?? []
            if files.allSatisfy({ file in folders.contains { $0.path == file.folder } }) {
                try destination.forget(name)
            }
        }
    }

    /// What is wrong with folders that are marked.
    private static func faults(_ world: World) throws -> String? {
        let pattern = try PrefixPattern("!{timestamp:yyyy-MM-dd-HH-mm-ss}/")
        let files = world.folder.files
        var expected: [String: [String]] = [:]
        for record in world.records {
            expected[pattern.partition(millis: record.approximateArrivalMillis).text, default: []].append(
                String(decoding: record.data, as: UTF8.self))
        }
        for path in files.keys where path.hasSuffix(FolderManifest.marker) {
            let folder = String(path.dropLast(FolderManifest.marker.count))
            let names = files.keys.filter { $0.hasPrefix(folder + "s-") }
            let lines = names.flatMap { name in
                String(decoding: files[name] ?? [], as: UTF8.self).split(separator: "\n").map(String.init)
            }
            guard lines.sorted() == expected[folder]?.sorted() else { return "\(folder) is marked, and has \(lines)" }
            guard let manifest = FolderManifest(decoding: files[folder + FolderManifest.name(1)] ?? []) else {
                return "\(folder) has a marker and no manifest"
            }
            guard manifest.files.map(\.note.path).sorted() == names.sorted(),
                manifest.files.reduce(0, { $0 + $1.note.records }) == UInt64(lines.count)
            else { return "the manifest of \(folder) is wrong: \(manifest)" }
            if files[folder + FolderManifest.name(2)] != nil { return "\(folder) has a second manifest" }
        }
        return nil
    }

    private static func history(_ seed: UInt64) throws -> (fault: String?, marked: Int) {
        var dice = Seeded(seed)
        let count = Int.random(in: 1...40, using: &dice)
        let arrivals = (0..<count).map { _ in Self.since + Int64.random(in: 0..<8000, using: &dice) }.sorted()
        let world = World(arrivals)
        var holders: [SteppedHolder] = []
        for step in 0..<UInt64.random(in: 0...500, using: &dice) {
            switch Int.random(in: 0..<60, using: &dice) {
            case 0...1 where holders.count < 3:
                holders.append(
                    SteppedHolder(
                        world, try Self.rules(&dice), batch: Int.random(in: 1...9, using: &dice),
                        Bool.random(using: &dice) ? .finishes : .endsShard, seed: dice.next()))
            case 2 where !holders.isEmpty: holders.remove(at: Int.random(in: 0..<holders.count, using: &dice))
            case 3 where Int.random(in: 0..<3, using: &dice) == 0:
                holders = []
                world.folder.cutPower(&dice)
            case 4...9:
                // The clock stands anywhere in the range; what had arrived by then is known to the server.
                let now = Self.since + Int64.random(in: 0..<25_000, using: &dice)
                let seen = arrivals.firstIndex { $0 >= now } ?? arrivals.count
                let fuse = Fuse(at: Bool.random(using: &dice) ? Int.random(in: 1...30, using: &dice) : nil)
                try? Self.look(world, now: now, through: seen, fuse, step)
            default:
                if let holder = holders.randomElement(using: &dice) { _ = holder.step() }
            }
            if let fault = try Self.faults(world) { return (fault, 0) }
        }
        for _ in 0..<2 where world.book.now.checkpoint != .shardEnd {
            let last = SteppedHolder(world, try Self.rules(&dice), batch: 5, .endsShard, seed: dice.next())
            while last.step() {}
        }
        try Self.look(world, now: Self.since + 30_000, through: count, Fuse(at: nil), .max)
        let marked = world.folder.files.keys.filter { $0.hasSuffix(FolderManifest.marker) }.count
        let expected = Set(arrivals.map { $0 / 1000 }).count
        if marked != expected {
            let paths = world.folder.files.keys.sorted()
            return ("\(marked) folders are marked, not \(expected): \(paths), \(world.book.now.checkpoint)", marked)
        }
        return (try Self.faults(world), marked)
    }

    @Test func `A marker is there only when each record of its folder is, and in the end each folder has one`() throws {
        let fresh = UInt64.random(in: 1_000_000...(.max / 2))
        for seed in Array(0..<300) + Array(fresh..<fresh + 100) {
            let (fault, _) = try Self.history(seed)
            #expect(fault == nil, "seed \(seed)")
        }
    }

    @Test func `Files that come later make a manifest of the next revision, which has all of them`() throws {
        let folder = ForgetfulFolder()
        let destination = ForgetfulDestination(folder: folder, fuse: Fuse(at: nil))
        var draw: UInt64 = 0
        func writer() throws -> ManifestWriter {
            draw += 1
            let random = draw
            return ManifestWriter(try StreamName("s"), streamTag: "7.a", destination, dice: { random })
        }
        func note(_ index: UInt64) -> FileNote {
            FileNote(
                path: "a/b/\(index)", bytes: 10, checksum: UInt32(index), records: index + 1,
                first: Samples.number(index), last: Samples.number(index), ends: 1)
        }
        let (first, more) = ([note(0), note(1)], [note(1), note(2)])
        #expect(try writer().publish("a/b/", first, completeThrough: 5000))
        #expect(try !writer().publish("a/b/", first, completeThrough: 6000))
        #expect(try writer().publish("a/b/", more, completeThrough: 7000))
        let newest = try #require(try writer().newest("a/b/"))
        #expect(newest.revision == 2 && newest.completeThrough == 7000)
        #expect(newest.files.map(\.revision) == [1, 1, 2] && newest.files.map(\.note.records) == [1, 2, 3])
        let text = String(decoding: try #require(folder.files["a/b/_manifest-2.json"]), as: UTF8.self)
        #expect(text.contains("\"lateFiles\":1,\"lateRecords\":3") && text.contains("\"records\":6,\"bytes\":30"))
        #expect(folder.files["a/b/_SUCCESS"] == [])
        #expect(folder.unfinishedCount == 0)
    }
}
