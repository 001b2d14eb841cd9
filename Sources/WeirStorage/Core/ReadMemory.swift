// SPDX-License-Identifier: Apache-2.0

/// What readers find in memory: the newest commits, files that are open, and which indexes were used last.
struct ReadMemory {
    var tail: MemoryTail
    let files: ReadFiles
    /// Counts uses of indexes.
    private var indexClock: UInt64 = 0

    init(_ configuration: StorageConfiguration) {
        self.tail = MemoryTail(bytesMax: configuration.tailBytes)
        self.files = ReadFiles(max: configuration.readFilesMax)
    }

    /// The index of the segment is used now.
    mutating func useIndex(of segment: Segment) {
        self.indexClock += 1
        segment.indexUse = self.indexClock
    }
}
