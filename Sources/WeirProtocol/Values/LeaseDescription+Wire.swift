// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// u32 shard | optional text owner | u64 counter | checkpoint | u8 n, n x u32 parents (at most 2)
/// u32 owner switches since the checkpoint | optional text handing over to | optional (text reason | i64 ms)
/// lag
/// ```
extension LeaseDescription: WireElement {
    static let listMax = Wire.pageMax
    /// No owner, the trim horizon, no parents, not handed over, never reset.
    static let wireBytesMin = 4 + 1 + 8 + LeaseCheckpoint.wireBytesMin + 1 + 4 + 1 + 1 + Lag.wireBytes
    /// Of a shard: it is made by a split or by a merge of two.
    private static let parentsMax = 2

    func encode(into writer: inout ByteWriter) {
        writer.write(self.shard.rawValue)
        writer.write(optional: self.owner)
        writer.write(self.counter)
        self.checkpoint.encode(into: &writer)
        writer.write(UInt8(clamping: self.parents.count))
        for parent in self.parents { writer.write(parent.rawValue) }
        writer.write(self.ownerSwitchesSinceCheckpoint)
        writer.write(optional: self.handingOverTo)
        writer.write(self.reset != nil)
        if let reset {
            writer.write(reset.reason, maxBytes: Limits.reasonBytesMax)
            writer.write(reset.atMillis)
        }
        self.lag.encode(into: &writer)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let shard = ShardNumber(try reader.read())
        let owner = try reader.readOptionalWorker()
        let counter = try reader.read(UInt64.self)
        let checkpoint = try LeaseCheckpoint(reading: &reader)
        let parents = try reader.readCount(UInt8.self, max: Self.parentsMax, elementBytes: 4)
        self.init(
            shard: shard, owner: owner, counter: counter, checkpoint: checkpoint,
            parents: try reader.readList(parents) { reader throws(MalformedBytes) in ShardNumber(try reader.read()) },
            ownerSwitchesSinceCheckpoint: try reader.read(), handingOverTo: try reader.readOptionalWorker(),
            reset: try reader.readBool()
                ? Reset(reason: try reader.readString(maxBytes: Limits.reasonBytesMax), atMillis: try reader.read())
                : nil,
            lag: try Lag(reading: &reader))
    }
}

/// ```
/// u64 records | i64 ms
/// ```
extension LeaseDescription.Lag {
    static let wireBytes = 8 + 8

    func encode(into writer: inout ByteWriter) {
        writer.write(self.records)
        writer.write(self.millis)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(records: try reader.read(), millis: try reader.read())
    }
}

extension ByteWriter {
    mutating func write(optional worker: WorkerID?) {
        self.write(worker != nil)
        if let worker { self.write(worker.description) }
    }
}

extension ByteReader {
    mutating func readOptionalWorker() throws(MalformedBytes) -> WorkerID? {
        guard try self.readBool() else { return nil }
        return try self.readName(maxBytes: Limits.workerCharacters.upperBound) { text throws(WeirError) in
            try WorkerID(text)
        }
    }

    /// A name that the other side must have checked: in an answer, so that a wrong one is malformed.
    mutating func readName<Name>(
        maxBytes: Int, _ check: (String) throws(WeirError) -> Name
    ) throws(MalformedBytes) -> Name {
        let text = try self.readString(maxBytes: maxBytes)
        do {
            return try check(text)
        } catch {
            throw MalformedBytes(error.message)
        }
    }
}
