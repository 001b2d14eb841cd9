// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

@Suite struct RestoredFolderTests {
    private func begin(_ rig: LogRig, _ number: SequenceNumber) -> Result<UInt64, WeirError> {
        let stream = rig.core.catalog.streams(after: nil, limit: 1)[0].id
        return rig.resolveNow(
            .afterSequenceNumber(number), in: ShardRef(stream: stream, shard: number.shard), nowMillis: rig.now)
    }

    private func put(_ rig: LogRig, _ count: Int, to ref: ShardRef) throws -> [SequenceNumber] {
        let shard = try #require(rig.core.shard(ref))
        return try (0..<count).map { number in
            let appended = try rig.put(["\(number)"], to: ref)
            return SequenceNumber(
                shardCreationSecond: shard.creationSecond, shard: ref.shard, index: appended.firstIndex,
                arrivalSecond: UInt64(rig.now / 1000))
        }
    }

    @Test(arguments: [0, 1, 5], [0, 3, 40])
    func `No number of the lost part is given out again, and each is refused for ever`(
        kept: Int, later: Int
    ) throws {
        let rig = try LogRig()
        let ref = try rig.create(shards: 3)
        let before = try self.put(rig, kept, to: ref)
        let backup = rig.disk.copy()
        let lost = try self.put(rig, 10, to: ref)
        // The machine is lost; the backup is restored, in the same second if it must be.
        let clock = ManualClock(wallMillis: rig.now)
        let report = try RestoredFolder.renumber(LogRig.small, on: backup, clock: clock)
        #expect(report == RestoredFolder.Report(streams: 1, renumbered: 3, kept: []))
        let restored = try LogRig(backup, clock: clock)
        let open = try #require(restored.core.catalog.stream(ref.stream)).map.shards
        #expect(open.map(\.range) == HashKeyRange.tiling(3))
        let anew = try self.put(
            restored, later, to: ShardRef(stream: ref.stream, shard: try #require(open.first).number))
        #expect(Set(anew).isDisjoint(with: lost))
        for number in lost {
            guard case .failure(let error) = self.begin(restored, number) else {
                Issue.record("\(number) is taken")
                continue
            }
            #expect(error.code == .invalidArgument && error.message.contains("restored from a backup"))
        }
        for (position, number) in before.enumerated() {
            #expect(try self.begin(restored, number).get() == UInt64(position) + 1, "what is there is read on")
        }
        #expect(restored.read(ref).inOrder == (0..<kept).map { "\($0)" })
        // Again: harmless.
        try restored.stop()
        #expect(try RestoredFolder.renumber(LogRig.small, on: backup, clock: clock).renumbered == 3)
    }

    /// The limits of the node that wrote the folder are not known to whoever restores it.
    @Test(arguments: [1, 3, 9, 50])
    func `Limits that the folder is beyond stop nothing half way`(limit: Int) throws {
        let rig = try LogRig()
        var refs: [ShardRef] = []
        for name in ["a", "b", "c", "d"] { refs.append(try rig.create(name, shards: 6)) }
        let application = ApplicationRef(stream: refs[0].stream, name: try ApplicationName("app"))
        try rig.core.submit(.createApplication(application, from: .latest), nowMillis: rig.now)
        try rig.write()
        var configuration = LogRig.small
        configuration.bounds = Catalog.Bounds(streamsMax: limit, openShardsMax: limit, listedShardsMax: limit)
        configuration.logBytesMax = Int64(limit)
        configuration.freeBytesFloor = .max
        let disk = rig.disk.copy()
        let report = try RestoredFolder.renumber(configuration, on: disk, clock: rig.clock)
        #expect(report == RestoredFolder.Report(streams: 4, renumbered: 24, kept: []))
        let again = try LogRig(disk, clock: rig.clock)
        for ref in refs {
            #expect(again.core.catalog.stream(ref.stream)?.map.shards.allSatisfy { $0.number.rawValue >= 6 } == true)
        }
    }

    @Test func `A shard with too few keys goes on as it is, and is named`() throws {
        let rig = try LogRig()
        let ref = try rig.create("orders")
        try rig.submit(.splitShard(ref.stream, ref.shard, at: HashKey(3)))
        let report = try RestoredFolder.renumber(LogRig.small, on: rig.disk.copy(), clock: rig.clock)
        #expect(report.renumbered == 1 && report.kept == ["shardId-000000000001 of stream 'orders'"])
    }

    @Test func `A real folder is renumbered by its path, and not while a server has it`() throws {
        let folder = try TemporaryFolder()
        var configuration = StorageConfiguration(folder: folder.path)
        configuration.freeBytesFloor = 0
        let storage = try Storage.open(configuration, clock: SystemClock()) { _ in }
        _ = try storage.withLog { log throws(WeirError) in
            try log.submit(
                .createStream(name: StreamName("orders"), shards: 2, settings: StreamSettings()), nowMillis: 1)
        }
        let error = #expect(throws: StorageError.self) {
            try RestoredFolder.renumber(configuration, clock: SystemClock())
        }
        #expect(error?.message.contains("in use") == true)
        storage.shutdown()
        #expect(try RestoredFolder.renumber(configuration, clock: SystemClock()).renumbered == 2)
        let again = try Storage.open(configuration, clock: SystemClock()) { _ in }
        let numbers = again.withLog { log in
            log.catalog.streams(after: nil, limit: 1).first?.map.shards.map(\.number.rawValue)
        }
        #expect(numbers == [4, 7])
        again.shutdown()
    }

    @Test func `A folder that holds no log is refused and left alone`() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: StorageError.self) {
            try RestoredFolder.renumber(StorageConfiguration(folder: folder.path), clock: SystemClock())
        }
        #expect(error?.message.contains("holds no Weir data") == true)
        #expect(try ReadOnlyFolder(folder.path).list().isEmpty)
    }
}
