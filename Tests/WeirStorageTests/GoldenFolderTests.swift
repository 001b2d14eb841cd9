// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Data folders that released versions wrote, kept as they were: they open, hold all that was put, and are upgraded.
/// `Golden/make-folders` made them.
@Suite struct GoldenFolderTests {
    enum Golden: String, CaseIterable, CustomTestStringConvertible {
        /// After a clean stop, with a snapshot of everything.
        case stopped = "folder-1-stopped"
        /// After a kill, in the midst of a term.
        case killed = "folder-1-killed"

        var testDescription: String { self.rawValue }

        /// The files, as `Golden/pack-folder` packed them.
        func files() throws -> [String: [UInt8]] {
            let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            let packed = [UInt8](try Data(contentsOf: folder.appendingPathComponent("Golden/\(self.rawValue).packed")))
            return try packed.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                var files: [String: [UInt8]] = [:]
                while reader.remaining > 0 {
                    let name = try reader.readString()
                    var bytes = [UInt8](repeating: 0, count: Int(try reader.read(UInt64.self)))
                    for _ in 0..<(try reader.read(UInt32.self)) {
                        let offset = Int(try reader.read(UInt64.self))
                        let piece = try reader.readBytes(Int(try reader.read(UInt32.self)))
                        bytes.replaceSubrange(offset..<offset + piece.count, with: piece)
                    }
                    files[name] = bytes
                }
                return files
            }
        }
    }

    /// A while after they were made, and before anything in them has expired.
    private static let openedMillis: Int64 = 1_795_826_360_000

    private static var configuration: StorageConfiguration {
        var configuration = StorageConfiguration(folder: "(simulated)")
        configuration.freeBytesFloor = 0
        configuration.logBytesMax = 1 << 30
        return configuration
    }

    private func open(_ golden: Golden) throws -> LogRig {
        try LogRig(
            SimFileSystem(image: golden.files()), clock: ManualClock(wallMillis: Self.openedMillis),
            configuration: Self.configuration)
    }

    private func texts(_ rig: LogRig, _ name: String) throws -> [String] {
        let stream = try #require(rig.core.catalog.stream(named: try StreamName(name)))
        return stream.shards.flatMap { rig.read(ShardRef(stream: stream.id, shard: $0.number)).inOrder }
    }

    /// What `Golden/make-folders` put.
    private func expect(_ rig: LogRig, _ golden: Golden) throws {
        let catalog = rig.core.catalog
        #expect(catalog.streams(after: nil, limit: 9).map(\.name.description) == ["bulk", "capped", "visits"])
        func settings(_ name: String) throws -> StreamSettings {
            try #require(catalog.stream(named: try StreamName(name))).settings
        }
        #expect(try settings("visits").profile == .kinesis)
        #expect(try settings("bulk").profile == .open)
        let explicit = RateLimits(bytesIn: 65_536, recordsIn: 100, bytesOut: nil, readsOut: nil)
        #expect(try settings("capped").profile == .explicit(explicit))
        #expect(try settings("capped").maxBytes == 8 << 20 && settings("capped").retentionMillis == 48 * 3_600_000)
        for (name, count) in [("visits", 120), ("bulk", 40), ("capped", 20)] {
            #expect(try Set(texts(rig, name)) == Set((1...count).map { "\(name) line \($0)" }), "\(name)")
            #expect(try texts(rig, name).count == count, "\(name)")
        }
        let visits = try #require(catalog.stream(named: try StreamName("visits")))
        #expect(visits.shards.count == 5 && visits.map.shards.count == 2)
        // Keys 1 to 20 of each hundred lines, in order.
        let app = ApplicationRef(stream: visits.id, name: try ApplicationName("printer"))
        let rows = try #require(rig.core.leases.application(app)?.rows)
        #expect(rows.count == 5)
        #expect(rows.values.contains { if case .sequenceNumber = $0.checkpoint { true } else { $0.isFinished } })
        #expect(rig.core.leases.isRegistered(try ConsumerName("fast"), of: visits.id))
        guard golden == .killed else { return }
        let owners = Set(rows.values.compactMap(\.owner?.worker.description))
        #expect(owners == ["worker-1"])
        #expect(rows.values.allSatisfy { $0.sessionTimeoutMillis == nil })
    }

    @Test(arguments: Golden.allCases) func aFolderOfFormat1OpensAndIsUpgraded(_ golden: Golden) throws {
        let rig = try self.open(golden)
        #expect(rig.report.damaged.isEmpty)
        #expect(rig.report.lines.count { $0.contains("was of format 1 and is of format 2") } == 1)
        try self.expect(rig, golden)
        let format = String(decoding: try #require(rig.disk.image[DataFolder.formatName]), as: UTF8.self)
        #expect(format.hasPrefix("weir data folder\nformat 2\n"))
        // What is written from now on says what the old form could not.
        let visits = try #require(rig.core.catalog.stream(named: try StreamName("visits")))
        let name = try AttributeName(namespace: "tags", key: "owner")
        try rig.core.setAttributes(.stream, of: visits.id, [try AttributeChange(name, "blogs")], nowMillis: rig.now)
        let app = AttributesChanged.Owner.application(try ApplicationName("printer"))
        try rig.core.setAttributes(app, of: visits.id, [try AttributeChange(name, "team")], nowMillis: rig.now)
        try rig.submit(.updateStream(visits.id, StreamChanges(limits: .explicit(LimitsProfile.kinesis.rates))))
        try rig.settle()
        let newest = try #require(rig.snapshotFiles.last.flatMap { rig.disk.image[$0] })
        #expect(newest[8...11].elementsEqual([2, 0, 0, 0]), "a snapshot of the new form is taken soon")
        for powerCut in [true, false] {
            try rig.restart(powerCut: powerCut)
            #expect(!rig.report.lines.contains { $0.contains("of format") })
            #expect(rig.core.attributes(.stream, of: visits.id)?[name] == "blogs")
            #expect(rig.core.attributes(app, of: visits.id)?[name] == "team")
            #expect(rig.core.catalog.stream(visits.id)?.settings.profile == .explicit(LimitsProfile.kinesis.rates))
            #expect(try self.texts(rig, "visits").count == 120)
            try rig.stop()
        }
    }

    /// A crash at any moment of the upgrade leaves a folder that opens.
    @Test(arguments: Golden.allCases) func aCrashDuringTheUpgradeLosesNothing(_ golden: Golden) throws {
        var crashes = 0
        for countdown in 1...400 {
            let disk = SimFileSystem(image: try golden.files())
            let left = Mutex(countdown)
            disk.decideFaults { operation in
                guard operation.changes else { return nil }
                return left.withLock { left in
                    left -= 1
                    return left == 0 ? .crash : nil
                }
            }
            let clock = ManualClock(wallMillis: Self.openedMillis)
            do {
                let rig = try LogRig(disk, clock: clock, configuration: Self.configuration)
                try rig.settle()
            } catch {}
            guard left.withLock({ $0 <= 0 }) else { break }
            crashes += 1
            disk.decideFaults(nil)
            disk.restart(powerCut: true)
            try self.expect(try LogRig(disk, clock: clock, configuration: Self.configuration), golden)
        }
        #expect(crashes >= 3 && crashes < 400)
    }

    @Test(arguments: Golden.allCases) func verifyIsContentBeforeAndAfter(_ golden: Golden) throws {
        let folder = try TemporaryFolder()
        for (name, bytes) in try golden.files() {
            try Data(bytes).write(to: URL(fileURLWithPath: folder.path + "/" + name))
        }
        let before = try Verifier.run(folder: folder.path)
        #expect(before.findings.isEmpty, "\(before.findings)")
        #expect(before.records == 180)
        var configuration = Self.configuration
        configuration.folder = folder.path
        let storage = try Storage.open(configuration, clock: ManualClock(wallMillis: Self.openedMillis)) { _ in }
        let streams = storage.withLog { $0.catalog.streamCount }
        storage.shutdown()
        #expect(streams == 3)
        let after = try Verifier.run(folder: folder.path)
        #expect(after.findings.isEmpty, "\(after.findings)")
        #expect(after.records == 180)
    }
}
