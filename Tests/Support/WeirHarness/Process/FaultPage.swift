// SPDX-License-Identifier: Apache-2.0
import CWeirHarness

/// The faults of clock and disk of one server: what the harness orders, and what the library that it preloads into the
/// server tells of them. All of it takes effect at once.
package final class FaultPage: @unchecked Sendable {
    // Unchecked: the numbers of the page are atomic, and only the harness writes the name, before the faults that look
    // at it are ordered.
    private let page: UnsafeMutablePointer<weir_fault_page>
    private let path: String
    private let library: String

    /// In a folder of a run.
    package static func make(in folder: String) async throws -> FaultPage {
        let compiled = try await FaultLibrary.bytes()
        let number = try Files.names(in: folder).count
        let library = "\(folder)/faults-\(number).so"
        try Files.write(compiled, to: library)
        let path = "\(folder)/faults-\(number)"
        let page = try require(weir_faults_make(path), "cannot make \(path): \(Descriptors.lastError)")
        return FaultPage(page, path, library)
    }

    private init(_ page: UnsafeMutablePointer<weir_fault_page>, _ path: String, _ library: String) {
        self.page = page
        self.path = path
        self.library = library
    }

    deinit { weir_faults_free(self.page) }

    /// What a program is started with so that it has the library.
    package var environment: [String: String] { ["LD_PRELOAD": self.library, WEIR_FAULT_VARIABLE: self.path] }

    /// A server that is ready and has not got the library would prove nothing.
    package func checkLoaded() throws {
        try require(self[WEIR_FAULT_LOADED] == 1, "the program under test does not load the library of faults")
    }

    package private(set) subscript(fault: weir_fault) -> Int64 {
        get { weir_faults_get(self.page, fault) }
        set { weir_faults_set(self.page, fault, newValue) }
    }

    // MARK: Orders

    /// The server's wall clock is so many milliseconds ahead of the true one, or behind it when below 0.
    package var clockMillis: Int64 {
        get { self[WEIR_FAULT_CLOCK_MILLIS] }
        set { self[WEIR_FAULT_CLOCK_MILLIS] = newValue }
    }

    package enum Commit: CaseIterable, Sendable {
        /// It fails and never reaches the disk.
        case lost
        /// It fails although it is on the disk.
        case landed
    }

    /// So many of the next commits fail.
    package func failCommits(_ count: Int64, _ kind: Commit) {
        self[kind == .lost ? WEIR_FAULT_COMMITS_LOST : WEIR_FAULT_COMMITS_LANDED] = count
    }

    /// Of those that were ordered, so many have not failed yet.
    package func commitsLeft(_ kind: Commit) -> Int64 {
        self[kind == .lost ? WEIR_FAULT_COMMITS_LOST : WEIR_FAULT_COMMITS_LANDED]
    }

    /// The next footers of the segment fail, as long as this stands.
    package func failFooters(of file: String?) {
        self.name(file ?? "")
        self[WEIR_FAULT_FOOTERS] = file == nil ? 0 : .max
    }

    /// Every snapshot fails while this stands.
    package func failSnapshots(_ fails: Bool) { self[WEIR_FAULT_SNAPSHOTS] = fails ? .max : 0 }

    /// Every write of a segment waits while this stands.
    package func stall(_ stalls: Bool) { self[WEIR_FAULT_STALL] = stalls ? 1 : 0 }

    /// Every write of a commit is refused for want of space while this stands.
    package func refuseCommits(_ refuses: Bool) { self[WEIR_FAULT_NO_SPACE] = refuses ? 1 : 0 }

    /// Every write of a file of a delivery is refused for want of space while this stands.
    package func refuseFiles(_ refuses: Bool) { self[WEIR_FAULT_FILES_NO_SPACE] = refuses ? 1 : 0 }

    /// So many of the next syncs of files of a delivery fail.
    package func failFileSyncs(_ count: Int64) { self[WEIR_FAULT_FILE_SYNCS] = count }

    package var fileSyncsLeft: Int64 { self[WEIR_FAULT_FILE_SYNCS] }

    /// Reads of these bytes of a file fail; `nil`: of none.
    package func failReads(of file: String, _ bytes: Range<Int>?) {
        self[WEIR_FAULT_READ_TO] = 0
        self.name(file)
        self[WEIR_FAULT_READ_FROM] = Int64(bytes?.lowerBound ?? 0)
        self[WEIR_FAULT_READ_TO] = Int64(bytes?.upperBound ?? 0)
    }

    private func name(_ file: String) { weir_faults_name(self.page, file) }

    // MARK: What happened

    package var failedWrites: Int64 { self[WEIR_FAULT_FAILED_WRITES] }
    /// The commits among them.
    package var failedCommits: Int64 { self[WEIR_FAULT_FAILED_COMMITS] }
    package var failedReads: Int64 { self[WEIR_FAULT_FAILED_READS] }
    /// Of the last commit that failed: the true time, in milliseconds since 1970. It stands when that is counted.
    package var lastFailedMillis: Int64 { self[WEIR_FAULT_LAST_FAILED_MILLIS] }
    package var waitingWrites: Int64 { self[WEIR_FAULT_WAITING] }
}

/// The library that is preloaded, compiled once for a run of the harness.
enum FaultLibrary {
    private static let compiling = Task { try await Self.compile() }

    static func bytes() async throws -> [UInt8] { try await Self.compiling.value }

    private static func compile() async throws -> [UInt8] {
        #if os(Linux)
        let source = Array(String(cString: weir_faults_library()).utf8)
        return try await TemporaryFolder.with("faults") { folder in
            var said = ""
            for compiler in ["clang", "cc", "gcc"] {
                let library = folder + "/faults.so"
                let arguments = ["-x", "c", "-O1", "-shared", "-fPIC", "-o", library, "-"]
                let process = try await ChildProcess.start(
                    "/usr/bin/env", [compiler] + arguments, input: .bytes(source))
                if try await process.ended() == .exit(0) { return try Files.bytes(of: library) }
                said += process.errors.text
            }
            throw HarnessError(
                "faults of clock and disk need a C compiler: clang, cc or gcc, in a folder of PATH; they said: \(said)")
        }
        #else
        throw HarnessError("faults of clock and disk are made by a preloaded library, which needs Linux")
        #endif
    }
}
