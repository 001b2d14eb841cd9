// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// Records that a program was given, and of which it has not said that they are processed: when it dies another one
/// gets them again. Bounded; beyond that nobody can give them again but the server.
struct OwedRecords {
    private let bytesMax: Int
    private(set) var records: [UserRecord] = []
    private var bytes = 0
    /// The last one that was not kept.
    private var lost: LeaseCheckpoint?

    init(bytesMax: Int = 64 << 20) { self.bytesMax = bytesMax }

    var areTooMany: Bool { self.lost != nil }

    mutating func add(_ record: UserRecord) {
        guard !self.areTooMany, self.bytes + record.bytes <= self.bytesMax else {
            self.lost = record.position
            return
        }
        self.records.append(record)
        self.bytes += record.bytes
    }

    /// Everything up to here is processed.
    mutating func settle(upTo reached: LeaseCheckpoint) {
        let settled = self.records.prefix { reached.isAtOrAfter($0.position) }
        for record in settled { self.bytes -= record.bytes }
        self.records.removeFirst(settled.count)
        if let lost, reached.isAtOrAfter(lost) { self.lost = nil }
    }
}
