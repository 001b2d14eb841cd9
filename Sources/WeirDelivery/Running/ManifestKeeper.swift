// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirConsumer
import WeirModel

/// Gives folders their manifests when everything of them is delivered. Each worker of a delivery has one, and that of
/// whoever holds the first shard works; it would do no harm if all did.
package actor ManifestKeeper {
    /// Between two looks.
    package static let intervalNanos: UInt64 = 10_000_000_000
    /// Notes of folders that are not whole yet.
    private static let notesMax = 100_000

    /// What the server says, so that tests can say it.
    package struct Sight: Sendable {
        /// The server's clock, asked before the others.
        package let now: Int64
        package let shards: [ShardDescription]
        package let leases: [LeaseDescription]

        package init(now: Int64, shards: [ShardDescription], leases: [LeaseDescription]) {
            self.now = now
            self.shards = shards
            self.leases = leases
        }
    }

    nonisolated private let thread = FileThread("weir-manifests")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    private let settings: DeliverySettings
    private let destination: any Destination
    private let writer: ManifestWriter
    private let worker: WorkerID
    private let sight: @Sendable () async throws -> Sight
    private var isFirst = true
    /// By name; what is under a name never changes.
    private var notes: [String: [FileNote]] = [:]

    package init(
        _ settings: DeliverySettings, _ destination: any Destination, _ worker: WorkerID,
        sight: @escaping @Sendable () async throws -> Sight
    ) {
        self.settings = settings
        self.destination = destination
        self.writer = ManifestWriter(
            settings.stream, streamTag: settings.streamTag, destination, dice: settings.dice)
        self.worker = worker
        self.sight = sight
    }

    package init(
        _ client: WeirClient, _ stream: StreamID, _ settings: DeliverySettings, _ destination: any Destination,
        _ worker: WorkerID
    ) {
        self.init(settings, destination, worker) {
            Sight(
                now: try await client.ping().serverTimeMillis, shards: try await client.listShards(stream),
                leases: try await client.leases(stream, application: settings.application))
        }
    }

    /// Up to when all is delivered, in milliseconds since 1970; `nil`: another one looks after it, or nobody knows.
    /// Throws what stands in the way.
    @discardableResult
    package func look() async throws -> Int64? {
        // The notes are read behind the leases: a checkpoint moves only when all before it are noted.
        let sight = try await self.sight()
        let first = sight.leases.filter { $0.checkpoint != .shardEnd }.min { $0.shard < $1.shard }
        if let owner = first?.owner, owner != self.worker { return nil }
        guard let watermark = Completeness.watermark(shards: sight.shards, leases: sight.leases, now: sight.now) else {
            return nil
        }
        if self.isFirst { try self.writer.removeLeftovers() }
        self.isFirst = false
        try self.publish(watermark)
        return watermark
    }

    private func publish(_ watermark: Int64) throws(DestinationError) {
        try self.readNotes()
        let lateness = self.settings.pattern.eventTime == nil ? 0 : PrefixPattern.lateMillis
        let folders = Completeness.whole(
            self.notes.values.flatMap { $0 }, watermark: watermark, lateness: lateness)
        for folder in folders {
            _ = try self.writer.publish(folder.path, folder.notes, completeThrough: watermark)
        }
        let done = Set(folders.map(\.path))
        for (name, files) in self.notes where files.allSatisfy({ done.contains($0.folder) || $0.ends == .max }) {
            try self.destination.forget(name)
            self.notes[name] = nil
        }
    }

    private func readNotes() throws(DestinationError) {
        let names = try self.destination.notes(FileName.notePrefix(self.settings.streamTag))
        guard names.count <= Self.notesMax else {
            throw DestinationError(
                .later,
                "\(names.count) notes wait for manifests, and at most \(Self.notesMax) may: let files become larger, "
                    + "or folders last for a shorter time")
        }
        let there = Set(names)
        self.notes = self.notes.filter { there.contains($0.key) }
        for name in names where self.notes[name] == nil {
            // One that goes in the meantime was published by another keeper.
            guard let bytes = try self.destination.note(name) else { continue }
            guard let files = FileNote.decode(bytes) else {
                throw DestinationError(.later, "the note \(name) in the hidden folder cannot be read")
            }
            self.notes[name] = files
        }
    }
}
