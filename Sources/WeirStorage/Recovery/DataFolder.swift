// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirLog
import WeirModel

/// What lies in a data folder, by name, before anything is believed.
struct DataFolder {
    static let formatName = "weir.format"

    var logID: UInt64?
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
                } else if name.hasSuffix(".new"), name.hasPrefix("snapshot-") || name.hasPrefix(Self.formatName) {
                    self.unfinished.append(name)
                } else {
                    self.unknown.append(name)
                }
            }
        } catch {
            throw StorageError(error.description)
        }
        self.segments.sort()
        self.snapshots.sort { $0.lsn > $1.lsn }
        self.logID = try Self.readFormat(fileSystem)
    }

    /// The format file: text, so that any person can read which version made the folder.
    static func formatText(logID: UInt64) -> String {
        let body = "weir data folder\nformat \(LogFormat.version)\nlog \(logID)\n"
        var text = body
        let checksum = text.withUTF8 { weir_crc32c(0, $0.baseAddress, $0.count) }
        return body + "checksum \(checksum)\n"
    }

    private static func readFormat(_ fileSystem: any FileSystem) throws(StorageError) -> UInt64? {
        let bytes: [UInt8]
        do throws(FileError) {
            guard try fileSystem.list().contains(Self.formatName) else { return nil }
            bytes = try fileSystem.contents(of: Self.formatName, limit: 4096)
        } catch {
            throw StorageError(error.description)
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard lines.count == 4, lines[0] == "weir data folder", lines[1].hasPrefix("format "),
            lines[2].hasPrefix("log ")
        else {
            throw StorageError("\(fileSystem.name)/\(Self.formatName) is damaged: it is not what Weir writes there")
        }
        guard lines[1] == "format \(LogFormat.version)" else {
            throw StorageError(
                "the data folder \(fileSystem.name) has \(lines[1]), this program reads format \(LogFormat.version): "
                    + "use the version of weir that wrote it")
        }
        guard let logID = UInt64(lines[2].dropFirst(4)), Array(Self.formatText(logID: logID).utf8) == bytes else {
            throw StorageError("\(fileSystem.name)/\(Self.formatName) is damaged: its checksum does not match")
        }
        return logID
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
            throw StorageError(error.description)
        }
    }
}
