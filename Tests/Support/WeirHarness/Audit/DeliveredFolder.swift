// SPDX-License-Identifier: Apache-2.0
import CWeirDecoders
import Foundation
import WeirModel

/// What a delivery has written into a folder, read without anything of its own.
package struct DeliveredFolder: Sendable {
    package struct File: Sendable {
        /// Inside of the folder.
        package let path: String
        package let bytes: Int
        package let lines: [String]
    }

    package let files: [File]
    /// Unfinished files that were left.
    package let leftovers: [String]

    package var lines: [String] { self.files.flatMap(\.lines) }

    package static func read(_ folder: String) throws -> DeliveredFolder {
        var files: [File] = []
        var leftovers: [String] = []
        let walk = FileManager.default.enumerator(atPath: folder)
        while let path = walk?.nextObject() as? String {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: "\(folder)/\(path)", isDirectory: &isFolder),
                !isFolder.boolValue
            else { continue }
            if path.hasPrefix(".weir/") {
                if path.hasPrefix(".weir/.") { leftovers.append(path) }
                continue
            }
            let stored = try Files.bytes(of: "\(folder)/\(path)")
            let lines = Lines.split(try Self.decompressed(stored, path))
            try require(!lines.isEmpty, "\(path) is empty")
            files.append(File(path: path, bytes: stored.count, lines: lines))
        }
        return DeliveredFolder(files: files.sorted { $0.path < $1.path }, leftovers: leftovers.sorted())
    }

    private static func decompressed(_ bytes: [UInt8], _ path: String) throws -> [UInt8] {
        let kind: Int
        switch path.split(separator: ".").last {
        case "zst": kind = WEIR_DECODER_ZSTD
        case "gz": kind = WEIR_DECODER_GZIP
        case "lz4": kind = WEIR_DECODER_LZ4
        default: return bytes
        }
        var room = max(1 << 20, bytes.count * 8)
        while true {
            var output = [UInt8](repeating: 0, count: room)
            let made = weir_decode(Int32(kind), bytes, bytes.count, &output, output.count)
            try require(made != -1, "\(path) is damaged")
            if made >= 0 { return Array(output.prefix(made)) }
            room *= 4
        }
    }

    /// What is wrong, besides what is in it: names that do not say shard and numbers, folders that are no hours.
    package func faults(stream: String) -> [String] {
        var faults = self.leftovers.map { "\($0) was left" }
        for file in self.files {
            let parts = file.path.split(separator: "/")
            let isHour = parts.count == 5 && zip(parts, [4, 2, 2, 2]).allSatisfy { $0.count == $1 && Int($0) != nil }
            if !isHour { faults.append("\(file.path) lies in no folder of an hour") }
            let name = parts.last.map(String.init) ?? ""
            let numbers = name.prefix { $0 != "." }.dropFirst(stream.count + 1).split(separator: "-")
            guard name.hasPrefix("\(stream)-shardId-"), numbers.count == 4,
                let first = try? SequenceNumber(parsing: String(numbers[2])),
                let last = try? SequenceNumber(parsing: String(numbers[3])),
                first.shard == last.shard, first.index <= last.index
            else {
                faults.append("\(file.path) does not say its shard and numbers")
                continue
            }
            if last.index - first.index + 1 < UInt64(file.lines.count) {
                faults.append("\(file.path) has more records than numbers")
            }
        }
        return faults
    }
}
