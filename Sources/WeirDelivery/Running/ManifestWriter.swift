// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirModel

/// Writes manifests of folders that are whole. Several may do so at once: a manifest gets its name like any file, and
/// never changes.
package struct ManifestWriter: Sendable {
    /// Attempts when others write manifests of the folder at the same time.
    private static let attemptsMax = 20

    private let stream: StreamName
    private let streamTag: String
    private let destination: any Destination
    private let dice: Dice

    package init(_ stream: StreamName, streamTag: String, _ destination: any Destination, dice: @escaping Dice) {
        self.stream = stream
        self.streamTag = streamTag
        self.destination = destination
        self.dice = dice
    }

    /// Manifests that were being written when their writer died. One that is alive tries again.
    package func removeLeftovers() throws(DestinationError) {
        for name in try self.destination.unfinished(FileName.unfinishedManifests(self.streamTag)) {
            try self.destination.discard(name)
        }
    }

    /// The newest manifest of a folder.
    package func newest(_ folder: String) throws(DestinationError) -> FolderManifest? {
        let names = try self.destination.names(behind: folder + FolderManifest.namePrefix)
        guard let revision = names.compactMap(FolderManifest.revision).max() else { return nil }
        let path = folder + FolderManifest.name(revision)
        guard let bytes = try self.destination.read(path) else { return nil }
        guard let manifest = FolderManifest(decoding: bytes) else {
            throw DestinationError(.later, "\(path) is no manifest that this version reads")
        }
        return manifest
    }

    /// The folder is whole with these files, and those of earlier manifests. True when it has got a new manifest.
    package func publish(
        _ folder: String, _ notes: [FileNote], completeThrough: Int64
    ) throws(DestinationError) -> Bool {
        for _ in 0..<Self.attemptsMax {
            let before = try self.newest(folder)
            guard let manifest = FolderManifest.following(before, notes, completeThrough: completeThrough) else {
                // Whoever wrote the manifest may have died before it was on the disk, and before it set the marker.
                if let before { try self.destination.settle([folder + FolderManifest.name(before.revision)]) }
                try self.give(folder + FolderManifest.marker, [])
                return false
            }
            let path = folder + FolderManifest.name(manifest.revision)
            let published = try self.give(path, manifest.encode(self.stream, folder))
            guard published == .done else { continue }
            try self.give(folder + FolderManifest.marker, [])
            return true
        }
        throw DestinationError(.later, "others write manifests of \(folder) all the time")
    }

    @discardableResult
    private func give(_ path: String, _ bytes: [UInt8]) throws(DestinationError) -> Published {
        // What somebody else has named may not be on the disk yet.
        if bytes.isEmpty, try self.destination.exists(path) {
            try self.destination.settle([path])
            return .wasThere
        }
        let name = FileName.unfinishedManifest(self.streamTag, self.dice())
        let file = try self.destination.begin(name)
        let result: Result<Void, DestinationError> = bytes.withUnsafeBytes { raw in
            do throws(DestinationError) {
                try file.append(raw)
                try file.sync()
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        file.rest()
        if case .failure(let error) = result {
            try? self.destination.discard(name)
            throw error
        }
        let published = try self.destination.publish(name, as: path)
        if published != .missing { try self.destination.settle([path]) }
        return published
    }
}
