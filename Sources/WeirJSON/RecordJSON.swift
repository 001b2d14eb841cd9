// SPDX-License-Identifier: Apache-2.0

/// The JSON form of a record: what `weir get --json` prints, programs of `weir consume` are given, dead letters hold,
/// and `weir put --from-json` reads.
package enum RecordJSON {
    /// The members before `data`, without braces. `sequenceNumber`: its digits. `subSequence`: of a record that came
    /// packed with others into one.
    package static func appendHead(
        shard: UInt32, sequenceNumber: UnsafeRawBufferPointer, subSequence: UInt64? = nil,
        key: UnsafeRawBufferPointer, explicitHashKey: String? = nil, arrivalMillis: Int64, to output: OutputBytes
    ) {
        output.append("\"shardId\":\"")
        Self.append(shard: shard, to: output)
        output.append("\",\"sequenceNumber\":\"")
        output.append(sequenceNumber)
        output.append(byte: UInt8(ascii: "\""))
        if let subSequence {
            output.append(",\"subSequenceNumber\":")
            output.append(decimal: subSequence)
        }
        output.append(",\"partitionKey\":")
        output.append(jsonString: key)
        if let explicitHashKey {
            output.append(",\"explicitHashKey\":")
            output.append(jsonString: explicitHashKey)
        }
        output.append(",\"approximateArrivalTimestamp\":")
        output.append(seconds: arrivalMillis)
    }

    /// The whole object, without the end of a line.
    package static func append(
        shard: UInt32, sequenceNumber: UnsafeRawBufferPointer, subSequence: UInt64? = nil,
        key: UnsafeRawBufferPointer, arrivalMillis: Int64, data: UnsafeRawBufferPointer, to output: OutputBytes
    ) {
        output.append(byte: UInt8(ascii: "{"))
        Self.appendHead(
            shard: shard, sequenceNumber: sequenceNumber, subSequence: subSequence, key: key,
            arrivalMillis: arrivalMillis, to: output)
        output.append(",\"data\":\"")
        Base64.append(data, to: output)
        output.append("\"}")
    }

    /// The name of a shard, as Kinesis has it.
    package static func append(shard: UInt32, to output: OutputBytes) {
        output.append("shardId-")
        output.append(decimal: UInt64(shard), digits: 12)
    }
}

/// Reads the objects that `weir get --json` prints: `partitionKey`, `data` in base64, and `explicitHashKey` if there is
/// one; and those of error files, in which `rawData` stands for `data`. Other members are skipped, whatever they are.
/// Of members with one name the last one counts.
package struct RecordJSONReader {
    /// As it stands there: whether it is a hash key, the caller sees.
    package private(set) var explicitHashKey: String?
    private let keyBytes = OutputBytes()
    private let dataBytes = OutputBytes()
    private let scratch = OutputBytes()

    package init() {}

    /// Valid until the next `parse`.
    package var key: UnsafeRawBufferPointer { self.keyBytes.raw }
    package var data: UnsafeRawBufferPointer { self.dataBytes.raw }

    package mutating func parse(_ line: UnsafeRawBufferPointer) throws(JSONError) {
        self.explicitHashKey = nil
        self.keyBytes.removeAll()
        self.dataBytes.removeAll()
        var hasKey = false
        var hasData = false
        var scanner = try JSONScanner(line)
        try scanner.beginObject()
        while let name = try scanner.nextName() {
            switch name {
            case "partitionKey":
                self.keyBytes.removeAll()
                try scanner.string("a string as partitionKey").append(to: self.keyBytes)
                hasKey = true
            case "data", "rawData":
                self.dataBytes.removeAll()
                try self.readData(try scanner.string("a string as data"))
                hasData = true
            case "explicitHashKey":
                self.explicitHashKey =
                    try scanner.skipNull() ? nil : scanner.string("a string as explicitHashKey").text
            default: try scanner.skipValue()
            }
        }
        try scanner.end("nothing behind the object")
        guard hasKey else { throw JSONError(.value("partitionKey is missing"), at: scanner.offset) }
        guard hasData else { throw JSONError(.value("data is missing"), at: scanner.offset) }
    }

    private func readData(_ string: JSONString) throws(JSONError) {
        var letters = string.bytes
        if string.isEscaped {
            self.scratch.removeAll()
            string.append(to: self.scratch)
            letters = self.scratch.raw
        }
        guard Base64.decode(letters, to: self.dataBytes) else {
            throw JSONError(.value("data is not base64"), at: string.offset)
        }
    }
}
