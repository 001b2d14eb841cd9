// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirIO
import WeirLog
import WeirModel

/// What lies in a data folder, by name, before anything is believed.
struct DataFolder {
    static let formatName = "weir.format"

    var logID: UInt64?
    /// What the format file says; the newest version where there is none.
    private(set) var format = LogFormat.version
    /// What is wrong with the format file, when the segments tell what it said.
    private(set) var formatDamage: String?
    /// File numbers of segments.
    var segments: [UInt64] = []
    /// Names of snapshots, newest first.
    var snapshots: [(name: String, lsn: LSN)] = []
    /// Our own unfinished files.
    var unfinished: [String] = []
    var unknown: [String] = []

    init(_ fileSystem: any FileSystem) throws(StorageError) {
        do throws(FileError) {
            for name in try fileSystem.list() {
                if name == Self.formatName { continue }
                if let file = Segment.fileNumber(name) {
                    self.segments.append(file)
                } else if let lsn = PendingSnapshot.lsn(ofName: name) {
                    self.snapshots.append((name, lsn))
                } else if Self.isUnfinished(name) {
                    self.unfinished.append(name)
                } else {
                    self.unknown.append(name)
                }
            }
        } catch {
            throw StorageError(for: error)
        }
        self.segments.sort()
        self.snapshots.sort { $0.lsn > $1.lsn }
        do throws(FormatDamage) {
            if let (logID, format) = try Self.readFormat(fileSystem) { (self.logID, self.format) = (logID, format) }
        } catch {
            switch error {
            case .final(let error): throw error
            case .damaged(let sentence):
                self.logID = try self.logIDOfSegments(fileSystem, sentence)
                self.formatDamage = sentence
            }
        }
    }

    /// A snapshot or format file that was not finished. Nothing names it; a start removes it.
    static func isUnfinished(_ name: String) -> Bool {
        name.hasSuffix(".new") && (name.hasPrefix("snapshot-") || name.hasPrefix(Self.formatName))
    }

    /// The format file: text, so that any person can read which version made the folder.
    static func formatText(logID: UInt64, format: UInt32 = LogFormat.version) -> String {
        let body = "weir data folder\nformat \(format)\nlog \(logID)\n"
        var text = body
        let checksum = text.withUTF8 { weir_crc32c(0, $0.baseAddress, $0.count) }
        return body + "checksum \(checksum)\n"
    }

    private enum FormatDamage: Error {
        /// The folder cannot be used.
        case final(StorageError)
        /// The segments may tell what the file said.
        case damaged(String)
    }

    private static func readFormat(_ fileSystem: any FileSystem) throws(FormatDamage) -> (UInt64, UInt32)? {
        let bytes: [UInt8]
        do throws(FileError) {
            guard try fileSystem.list().contains(Self.formatName) else { return nil }
            bytes = try fileSystem.contents(of: Self.formatName, limit: 4096)
        } catch {
            guard error.kind == .io else { throw .final(StorageError(for: error)) }
            throw .damaged("\(fileSystem.name)/\(Self.formatName) cannot be read: \(error)")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 5, lines[0] == "weir data folder", lines[1].hasPrefix("format "),
            lines[2].hasPrefix("log "), lines[4].isEmpty
        else { throw .damaged("\(fileSystem.name)/\(Self.formatName) is damaged: it is not what Weir writes there") }
        // Before the version is believed: a bit that turned must not look like a newer one.
        let body = Array(lines[0...2].joined(separator: "\n").utf8) + [UInt8(ascii: "\n")]
        let checksum = body.withUnsafeBufferPointer { weir_crc32c(0, $0.baseAddress, $0.count) }
        guard lines[3] == "checksum \(checksum)", Array(text.utf8) == bytes else {
            throw .damaged("\(fileSystem.name)/\(Self.formatName) is damaged: its checksum does not match")
        }
        guard let format = LogFormat.versions.first(where: { lines[1] == "format \($0)" }) else {
            throw .final(
                StorageError(
                    "the data folder \(fileSystem.name) has \(lines[1]), this program reads formats "
                        + "\(LogFormat.known): use the version of weir that wrote it"))
        }
        guard let logID = UInt64(lines[2].dropFirst(4)),
            Array(Self.formatText(logID: logID, format: format).utf8) == bytes
        else {
            throw .damaged("\(fileSystem.name)/\(Self.formatName) is damaged: it names no log")
        }
        return (logID, format)
    }

    /// The log whose number all segment headers bear; a folder without segments holds nothing and is begun anew.
    private func logIDOfSegments(
        _ fileSystem: any FileSystem, _ damage: String
    ) throws(StorageError) -> UInt64? {
        var found: Set<UInt64> = []
        do throws(FileError) {
            for number in self.segments {
                let file = try fileSystem.open(Segment.fileName(number), .read)
                let blocks = AlignedMemory(bytes: SegmentHeader.bytes)
                _ = try file.readAround(at: 0, into: blocks.raw)
                let raw = UnsafeRawBufferPointer(blocks.raw)
                for copy in 0..<2 {
                    let block = raw.slice(copy * LogFormat.block, LogFormat.block)
                    if let header = try? SegmentHeader(reading: block), header.file == number {
                        found.insert(header.logID)
                    }
                }
            }
        } catch {
            throw StorageError("\(damage); its segments do not help: \(error)", for: error)
        }
        guard found.count <= 1 else {
            throw StorageError("\(damage), and its segments are of \(found.count) different logs; nothing was touched")
        }
        guard found.first != nil || (self.segments.isEmpty && self.snapshots.isEmpty) else {
            throw StorageError("\(damage), and no segment header is whole; nothing was touched: restore a backup")
        }
        return found.first
    }

    /// Writes the format file again, as the segments have it, or in the format that this version writes.
    func mend(_ fileSystem: any FileSystem, logID: UInt64) throws(FileError) {
        try fileSystem.replace(Self.formatName, with: Array(Self.formatText(logID: logID).utf8))
    }

    /// Refuses a folder that nobody may claim, before anything, be it a lock file, is written into it. Where there is a
    /// lock file the folder is looked at under its lock, later.
    static func checkBeforeLocking(_ folder: String) throws(StorageError) {
        if PosixFileSystem.hasLockFile(folder) { return }
        // A folder that is missing or cannot be listed is refused where it is made and locked.
        guard let view = try? ReadOnlyFolder(folder) else { return }
        do throws(StorageError) {
            let found = try DataFolder(view)
            if found.logID == nil { try found.checkIsEmpty(view) }
        } catch {
            // Another process that has claimed it meanwhile has a lock by now.
            if PosixFileSystem.hasLockFile(folder) { return }
            throw error
        }
    }

    private func checkIsEmpty(_ fileSystem: any FileSystem) throws(StorageError) {
        guard self.segments.isEmpty, self.snapshots.isEmpty else {
            throw StorageError(
                "the data folder \(fileSystem.name) holds segments but no \(Self.formatName): it is damaged, "
                    + "nothing was touched")
        }
        if let foreign = self.unknown.first(where: { $0 != "lost+found" }) {
            throw StorageError(
                "\(fileSystem.name) is not empty and holds no Weir data (\(foreign) lies there): choose an empty folder"
            )
        }
    }

    /// Claims an empty folder.
    func initialize(_ fileSystem: any FileSystem, logID: UInt64) throws(StorageError) {
        try self.checkIsEmpty(fileSystem)
        do throws(FileError) {
            try fileSystem.replace(Self.formatName, with: Array(Self.formatText(logID: logID).utf8))
        } catch {
            throw StorageError(for: error)
        }
    }
}
