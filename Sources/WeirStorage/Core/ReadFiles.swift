// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirIO
import WeirLog

/// The files of segments that readers have open, through the page cache: a bounded number, whatever the log has.
/// Whoever reads holds the file itself, so one that is closed here ends with its last reader.
final class ReadFiles: Sendable {
    private struct State {
        var files: [UInt64: any File] = [:]
        var uses: RecentlyUsed<UInt64>
    }

    private let state: Mutex<State>

    /// `max`: files that stay open, at least 1.
    init(max: Int) { self.state = Mutex(State(uses: RecentlyUsed(max: max))) }

    var count: Int { self.state.withLock { $0.files.count } }

    /// The file of a segment. A segment that is used again keeps its file.
    func file(_ number: UInt64, _ fileSystem: any FileSystem) throws(FileError) -> any File {
        if let file = self.state.withLock({ Self.find(number, &$0) }) { return file }
        let opened = try fileSystem.open(Segment.fileName(number), .read)
        // Closed without the lock.
        var closed: (any File)?
        defer { withExtendedLifetime(closed) {} }
        return self.state.withLock { state in
            // Another reader was faster.
            if let file = Self.find(number, &state) { return file }
            state.files[number] = opened
            if let oldest = state.uses.use(number) { closed = state.files.removeValue(forKey: oldest) }
            return opened
        }
    }

    private static func find(_ number: UInt64, _ state: inout State) -> (any File)? {
        guard let file = state.files[number] else { return nil }
        _ = state.uses.use(number)
        return file
    }

    /// The file is gone from the folder.
    func forget(_ number: UInt64) {
        let closed = self.state.withLock { state -> (any File)? in
            state.uses.forget(number)
            return state.files.removeValue(forKey: number)
        }
        withExtendedLifetime(closed) {}
    }
}
