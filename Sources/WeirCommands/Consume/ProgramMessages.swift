// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirConsumer
import WeirJSON
import WeirModel

/// What a program is told: one JSON object a line.
enum ProgramMessage {
    /// Data of one line, in bytes, unless a single record has more.
    static let dataBytesMax = 1 << 20
    /// Records of one line.
    static let recordsMax = 500

    static func initialize(_ shard: ShardNumber, from checkpoint: LeaseCheckpoint) -> [UInt8] {
        let output = OutputBytes(capacity: 256)
        var writer = JSONWriter(output)
        writer.beginObject()
        writer.name("action")
        writer.string("initialize")
        writer.name("shardId")
        writer.string("\(shard)")
        writer.name("checkpoint")
        writer.string("\(checkpoint)")
        writer.endObject()
        output.append(byte: UInt8(ascii: "\n"))
        return [UInt8](output.raw)
    }

    /// `leaseLost`, `shardEnded` or `shutdownRequested`.
    static func plain(_ action: String, _ shard: ShardNumber) -> [UInt8] {
        Array("{\"action\":\"\(action)\",\"shardId\":\"\(shard)\"}\n".utf8)
    }

    static func records(_ records: [UserRecord], millisBehindLatest: Int64) -> [UInt8] {
        let output = OutputBytes(capacity: 64 << 10)
        var printer = RecordPrinter(.json)
        output.append("{\"action\":\"processRecords\",\"millisBehindLatest\":")
        output.append(decimal: millisBehindLatest)
        output.append(",\"records\":[")
        for (position, record) in records.enumerated() {
            if position > 0 { output.append(byte: UInt8(ascii: ",")) }
            var key = record.partitionKey
            key.withUTF8 { key in
                record.data.withUnsafeBytes { data in
                    printer.writeObject(
                        record.sequenceNumber, subSequence: record.subSequence,
                        arrivalMillis: record.approximateArrivalMillis, key: UnsafeRawBufferPointer(key), data: data,
                        to: output)
                }
            }
        }
        output.append("]}\n")
        return [UInt8](output.raw)
    }

    /// Parts of records that fit into one line each.
    static func portions(_ records: some Sequence<UserRecord>) -> [[UserRecord]] {
        var portions: [[UserRecord]] = []
        var portion: [UserRecord] = []
        var bytes = 0
        for record in records {
            let size = record.partitionKey.utf8.count + record.data.count
            if !portion.isEmpty, bytes + size > Self.dataBytesMax || portion.count == Self.recordsMax {
                portions.append(portion)
                (portion, bytes) = ([], 0)
            }
            portion.append(record)
            bytes += size
        }
        if !portion.isEmpty { portions.append(portion) }
        return portions
    }
}

/// What a program answers.
enum ProgramAnswer: Equatable, Sendable {
    /// Processed through this record; `nil`: through everything that it was given.
    case checkpoint(SequenceNumber?, subSequence: UInt64?)
    /// The action is done; whether everything that was given so far has been processed by that.
    case done(checkpoints: Bool)

    /// A line of an answer, in bytes.
    static let lineBytesMax = 64 << 10

    init(parsing line: [UInt8]) throws(ProgramFailure) {
        var answer: Result<ProgramAnswer, JSONError> = .failure(JSONError(.value("it is empty"), at: 0))
        line.withUnsafeBytes { raw in
            do throws(JSONError) {
                answer = .success(try Self.parse(raw))
            } catch {
                answer = .failure(error)
            }
        }
        switch answer {
        case .success(let parsed): self = parsed
        case .failure(let error):
            let text = String(decoding: line.prefix(120), as: UTF8.self)
            throw ProgramFailure(
                "wrote '\(text)', which is no answer: \(error.description). Its standard output is for answers only, "
                    + "its standard error for everything else")
        }
    }

    private static func parse(_ raw: UnsafeRawBufferPointer) throws(JSONError) -> ProgramAnswer {
        var scanner = try JSONScanner(raw)
        var action: String?
        var number: SequenceNumber?
        var subSequence: UInt64?
        var checkpoints = true
        try scanner.beginObject()
        while let name = try scanner.nextName() {
            switch name {
            case "action": action = try scanner.string("a string as action").text
            case "sequenceNumber":
                let string = try scanner.string("a string as sequenceNumber")
                guard let parsed = try? SequenceNumber(parsing: string.text) else {
                    throw JSONError(.value("'\(string.text.prefix(60))' is no sequence number"), at: string.offset)
                }
                number = parsed
            case "subSequenceNumber":
                if try scanner.skipNull() { continue }
                guard let parsed = try scanner.number("a whole number as subSequenceNumber").integer(UInt64.self) else {
                    throw JSONError(.value("subSequenceNumber is a whole number"), at: scanner.offset)
                }
                subSequence = parsed
            case "checkpoint": checkpoints = try scanner.bool("true or false as checkpoint")
            default: try scanner.skipValue()
            }
        }
        try scanner.end("nothing behind the object")
        switch action {
        case "checkpoint": return .checkpoint(number, subSequence: subSequence)
        case "done": return .done(checkpoints: checkpoints)
        default: throw JSONError(.value("its action is not checkpoint or done"), at: scanner.offset)
        }
    }
}

/// What a program did wrong; the sentence goes on behind the name of the program.
struct ProgramFailure: Error, Hashable, CustomStringConvertible {
    let description: String
    /// Whether it is likely to have ended, so that its end is worth waiting for.
    let mayHaveEnded: Bool

    init(_ description: String, mayHaveEnded: Bool = false) {
        self.description = description
        self.mayHaveEnded = mayHaveEnded
    }
}
