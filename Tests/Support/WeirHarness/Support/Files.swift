// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Files of tests, by path.
package enum Files {
    package static func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    package static func write(_ text: String, to path: String) throws { try Self.write(Array(text.utf8), to: path) }

    package static func bytes(of path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    package static func beginning(of path: String, bytes: Int) throws -> [UInt8] {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        return Array(try file.read(upToCount: bytes) ?? Data())
    }

    package static func text(of path: String) throws -> String {
        String(decoding: try Self.bytes(of: path), as: UTF8.self)
    }

    /// Names in a folder, sorted.
    package static func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    package static func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    package static func copy(_ path: String, to other: String) throws {
        try FileManager.default.copyItem(atPath: path, toPath: other)
    }

    package static func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

    package static func setMode(_ mode: Int, of path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    package static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Every file of a folder by its name, with its bytes: what nobody may have changed.
    package static func picture(of folder: String) throws -> [String: [UInt8]] {
        var picture: [String: [UInt8]] = [:]
        for name in try Self.names(in: folder) { picture[name] = try Self.bytes(of: folder + "/" + name) }
        return picture
    }
}

/// A folder of a run, removed in the end unless it is to be kept.
package struct TemporaryFolder: Sendable {
    package let path: String

    /// Makes one in `parent`, by default in the system's place for temporary files.
    package init(_ name: String, in parent: String? = nil) throws {
        let parent = parent ?? FileManager.default.temporaryDirectory.path
        self.path = "\(parent)/weir-\(name)-\(String(SeededRandom.mix(SeededRandom.anySeed()), radix: 36))"
        try Files.makeFolder(self.path)
    }

    package func remove() { try? FileManager.default.removeItem(atPath: self.path) }

    /// Runs `body` with a new folder and removes it when nothing went wrong, so that what did can be looked at.
    package static func with<R>(
        _ name: String, in parent: String? = nil, isolation: isolated (any Actor)? = #isolation,
        _ body: (String) async throws -> R
    ) async throws -> R {
        let folder = try TemporaryFolder(name, in: parent)
        do {
            let result = try await body(folder.path)
            folder.remove()
            return result
        } catch {
            throw HarnessError("\(error)\n  (what was there is kept in \(folder.path))")
        }
    }
}
