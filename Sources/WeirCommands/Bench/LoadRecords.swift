// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// The records that a benchmark puts: log-like text, each with a 16-byte partition key of its own. The same seed makes
/// the same records.
struct LoadRecords: ~Copyable {
    static let keyBytes = 16
    private static let words = [
        "GET /api/v1/orders/", "POST /login?next=", "GET /static/app.js?v=", "PUT /api/v1/users/", "GET /search?q=",
        "DELETE /api/v1/carts/", "GET /images/", "HEAD /healthz?probe=",
    ]
    private static let agents = [
        "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0", "curl/7.88.1", "okhttp/4.12.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15",
    ]

    /// Bytes of data of a record.
    private let size: Int
    private var random: SplitMix64
    private var keys: RandomKeys
    private var text: [UInt8] = []

    init(size: Int, seed: UInt64) {
        self.size = size
        self.random = SplitMix64(state: seed)
        self.keys = RandomKeys(seed: ~seed)
    }

    /// The next record's key and data, valid inside `body`.
    mutating func next(_ body: (_ key: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void) {
        self.text.removeAll(keepingCapacity: true)
        while self.text.count < self.size { self.appendLine() }
        let key = self.keys.next()
        self.text.withUnsafeBytes { body(key, UnsafeRawBufferPointer(rebasing: $0[..<self.size])) }
    }

    private mutating func appendLine() {
        let number = self.random.next()
        let octets = (0..<4).map { String(UInt8(truncatingIfNeeded: number >> (8 * $0))) }.joined(separator: ".")
        let word = Self.words[Int(number >> 32 & 7)]
        let agent = Self.agents[Int(number >> 35 & 3)]
        let status = [200, 200, 200, 304, 404, 500][Int((number >> 40) % 6)]
        let line =
            "\(octets) - - [31/Jan/2026:12:\(10 + number % 50):\(10 + number >> 8 % 50) +0000] "
            + "\"\(word)\(number % 1_000_003) HTTP/1.1\" \(status) \(number >> 44) \"-\" \"\(agent)\" "
        self.text.append(contentsOf: line.utf8)
    }
}

/// A small generator whose sequence is decided by its seed.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

/// Who decides on the shard of a record.
enum LoadGrouping: Hashable, Sendable {
    /// The client groups the records of a request by shard.
    case client
    /// The server routes record by record.
    case server
}

/// Whole frames of puts, made once and sent again and again.
struct LoadFrames {
    let stream: StreamID
    let map: ShardMap
    let batch: Int
    let size: Int
    let grouping: LoadGrouping

    /// As many frames as asked for, with correlation ids from `firstCorrelation` up.
    func make(_ count: Int, firstCorrelation: UInt64, seed: UInt64) -> [[UInt8]] {
        var records = LoadRecords(size: self.size, seed: seed)
        return (0..<count).map { self.frame(&records, correlation: firstCorrelation + UInt64($0)) }
    }

    private func frame(_ records: inout LoadRecords, correlation: UInt64) -> [UInt8] {
        let recordBytes = BatchBody.recordHeaderBytes + LoadRecords.keyBytes + self.size
        let header = PutRecords.Header(stream: self.stream, mapVersion: self.map.version)
        var writer = PutRecordsWriter(header, capacity: 256 + self.batch * recordBytes)
        switch self.grouping {
        case .server:
            var body = BatchBodyBuilder(capacity: BatchBody.headerBytes + self.batch * recordBytes)
            for _ in 0..<self.batch { records.next { key, data in body.append(key: key, data: data) } }
            writer.append(shard: nil, body: body.finish())
        case .client:
            var bodies: [Int: BatchBodyBuilder] = [:]
            for _ in 0..<self.batch {
                records.next { key, data in
                    let position = self.map.position(of: HashKey(hashing: key))
                    bodies[position, default: BatchBodyBuilder()].append(key: key, data: data)
                }
            }
            for position in bodies.keys.sorted() {
                guard var body = bodies[position] else { continue }
                writer.append(shard: self.map.shards[position].number, body: body.finish())
            }
        }
        return writer.finish(correlation: correlation)
    }
}
