// SPDX-License-Identifier: Apache-2.0
import WeirJSON
import WeirModel

/// Makes records of lines and offers them to whoever takes them; refuses what cannot be one.
struct PutFeeder: ~Copyable {
    enum Form: Sendable {
        /// `crlf`: a carriage return at the end of a line belongs to its end, not to the record.
        case lines(KeySource, crlf: Bool = false)
        case json
    }

    private enum Kind {
        case fixed
        case field(Int, [UInt8])
        case random
        case json
    }

    private let kind: Kind
    private let fixedKey = OutputBytes()
    private let crlf: Bool
    private var splitter: LineSplitter
    private var keys: RandomKeys
    private var json = RecordJSONReader()
    /// Lines that were taken or refused.
    private(set) var lineCount = 0
    /// Records that were taken.
    private(set) var recordCount: UInt64 = 0
    /// Their bytes, data and keys.
    private(set) var byteCount = 0

    /// Bytes of a line that can hold the largest record: as base64, with a key all of whose characters are escaped.
    static func lineBytesMax(_ form: Form, recordBytesMax: Int) -> Int {
        switch form {
        case .lines(_, let crlf): recordBytesMax + (crlf ? 1 : 0)
        case .json: Base64.encodedLength(recordBytesMax) * 2 + 64 << 10
        }
    }

    init(_ form: Form, recordBytesMax: Int, seed: UInt64) {
        self.crlf = if case .lines(_, crlf: true) = form { true } else { false }
        switch form {
        case .lines(.fixed(let key), _):
            self.kind = .fixed
            let fixedKey = self.fixedKey
            key.withUnsafeBytes { fixedKey.append($0) }
        case .lines(.field(let number, let delimiter), _): self.kind = .field(number, delimiter)
        case .lines(.random, _): self.kind = .random
        case .json: self.kind = .json
        }
        self.splitter = LineSplitter(bytesMax: Self.lineBytesMax(form, recordBytesMax: recordBytesMax))
        self.keys = RandomKeys(seed: seed)
    }

    /// Takes a record, or says that there is no room for it now; throws when it may not be.
    typealias Append = (
        _ key: UnsafeRawBufferPointer, _ hashKey: HashKey?, _ data: UnsafeRawBufferPointer
    ) throws(WeirError) -> Bool
    /// Hears of a line that is no record: how many records were taken before it, and what is wrong with it.
    typealias Refuse = (_ before: UInt64, _ error: WeirError) -> Void

    /// Offers the lines of a chunk from where the last call stopped. True when the chunk is used up.
    mutating func feed(_ chunk: UnsafeRawBufferPointer, append: Append, refuse: Refuse) -> Bool {
        var splitter = self.splitter
        self.splitter = LineSplitter(bytesMax: 0)
        let isUsedUp = splitter.split(chunk) { self.offer($0, append, refuse) }
        self.splitter = splitter
        return isUsedUp
    }

    /// Offers a last line that has no newline. True when there is none left.
    mutating func finish(append: Append, refuse: Refuse) -> Bool {
        var splitter = self.splitter
        self.splitter = LineSplitter(bytesMax: 0)
        let isUsedUp = splitter.finish { self.offer($0, append, refuse) }
        self.splitter = splitter
        return isUsedUp
    }

    private mutating func offer(_ line: LineSplitter.Line, _ append: Append, _ refuse: Refuse) -> Bool {
        do throws(WeirError) {
            guard try self.put(line, append) else { return false }
        } catch {
            let message = "line \(self.lineCount + 1): \(error.message)"
            refuse(self.recordCount, WeirError(error.code, message, verdict: error.verdict))
        }
        self.lineCount += 1
        return true
    }

    private mutating func put(_ line: LineSplitter.Line, _ append: Append) throws(WeirError) -> Bool {
        if line.isTooLong {
            throw WeirError(
                .recordTooLarge,
                "a line of \(CountText.describe(line.length)) bytes is larger than a record of this stream may be")
        }
        let text = self.withoutCarriageReturn(line.bytes)
        switch self.kind {
        case .fixed: return try self.put(self.fixedKey.raw, nil, text, append)
        case .random: return try self.put(self.keys.next(), nil, text, append)
        case .field(let number, let delimiter):
            let key = delimiter.withUnsafeBytes { KeySource.field(number, of: text, delimiter: $0) }
            guard let key else { throw WeirError(.invalidArgument, "it has no field \(number)") }
            guard !key.isEmpty else {
                throw WeirError(
                    .invalidArgument, "its field \(number) is empty: a partition key has 1 to 256 characters")
            }
            return try self.put(key, nil, text, append)
        case .json:
            do throws(JSONError) {
                try self.json.parse(line.bytes)
            } catch {
                throw Self.noRecord(error.description)
            }
            return try self.put(self.json.key, try self.hashKey(), self.json.data, append)
        }
    }

    private func hashKey() throws(WeirError) -> HashKey? {
        guard let text = self.json.explicitHashKey else { return nil }
        do throws(WeirError) {
            return try HashKey(parsing: text)
        } catch {
            throw Self.noRecord(error.message)
        }
    }

    private static func noRecord(_ reason: String) -> WeirError {
        WeirError(.invalidArgument, "it is not a record as weir get --json prints it: \(reason)")
    }

    private func withoutCarriageReturn(_ line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard self.crlf, line.last == UInt8(ascii: "\r") else { return line }
        return UnsafeRawBufferPointer(rebasing: line.dropLast())
    }

    private mutating func put(
        _ key: UnsafeRawBufferPointer, _ hashKey: HashKey?, _ data: UnsafeRawBufferPointer, _ append: Append
    ) throws(WeirError) -> Bool {
        guard try append(key, hashKey, data) else { return false }
        self.recordCount += 1
        self.byteCount += key.count + data.count
        return true
    }
}
