// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog
import WeirModel

/// What a start would find in a data folder, found by the same procedure and without changing anything.
struct FolderExamination {
    /// What a start would say, as far as it came.
    let report: RecoveryReport
    /// Why a start would be refused.
    let refusal: String?
    /// By file: where the last commit ends that counts.
    private let ends: [UInt64: Int]
    /// Files in which nothing counts any more, or never did.
    private let free: Set<UInt64>

    /// What the start would make of a segment file.
    enum Verdict: Equatable {
        /// It counts up to there.
        case counts(end: Int)
        /// Its bytes are free space.
        case free
        /// The start is refused before it comes to the file, or misses what was there.
        case open
    }

    /// Throws when the folder cannot be read for another reason than its bytes.
    init(
        _ fileSystem: any FileSystem, _ folder: DataFolder, logID: UInt64, _ configuration: StorageConfiguration
    ) throws(FileError) {
        var recovery = Recovery(
            fileSystem: fileSystem, configuration: configuration, clock: SystemClock(), pool: BufferPool(keep: 0))
        defer { recovery.letGo() }
        var refusal: String?
        do throws(FileError) {
            _ = try recovery.examine(folder, logID: logID)
        } catch {
            guard error.kind == .io else { throw error }
            refusal = error.description
        }
        self.report = recovery.report
        self.refusal = refusal
        self.ends = Dictionary(
            recovery.segments.map { ($0.header.file, $0.durableEnd) }, uniquingKeysWith: { max($0, $1) })
        self.free = Set(recovery.recyclable.map(\.file))
    }

    func verdict(of file: UInt64) -> Verdict {
        if let end = self.ends[file] { return .counts(end: end) }
        return self.free.contains(file) ? .free : .open
    }

    /// Where the damage ends that the start would report at a place in a file.
    func damageEnd(_ name: String, at offset: Int) -> Int? {
        self.report.damaged.first { $0.file == name && ($0.offset..<$0.offset + $0.length).contains(offset) }
            .map { $0.offset + $0.length }
    }
}
