// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// Records that a program was given, and of which it has not said that they are processed: when it dies another one
/// gets them again. Bounded; beyond that nobody can give them again but the server.
struct OwedRecords {
    /// Memory of a record beside its key and its data: a record of one byte is not kept for nothing.
    static let bytesBeside = 128

    private let bytesMax: Int
    private(set) var records: [UserRecord] = []
    private var bytes = 0
    /// The last one that was not kept.
    private var lost: LeaseCheckpoint?

    init(bytesMax: Int = 64 << 20) { self.bytesMax = bytesMax }

    var areTooMany: Bool { self.lost != nil }

    mutating func add(_ record: UserRecord) {
        guard self.bytes + Self.weight(of: record) <= self.bytesMax else {
            self.lost = record.position
            return
        }
        self.records.append(record)
        self.bytes += Self.weight(of: record)
    }

    private static func weight(of record: UserRecord) -> Int { record.bytes + Self.bytesBeside }

    /// Everything up to here is processed.
    mutating func settle(upTo reached: LeaseCheckpoint) {
        let settled = self.records.prefix { reached.isAtOrAfter($0.position) }
        for record in settled { self.bytes -= Self.weight(of: record) }
        self.records.removeFirst(settled.count)
        if let lost, reached.isAtOrAfter(lost) { self.lost = nil }
    }
}
