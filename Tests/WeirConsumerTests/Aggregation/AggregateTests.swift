// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirModel

@testable import WeirConsumer

@Suite("Aggregated records of producer libraries")
struct AggregateTests {
    /// Of the contract, section 5.1.
    static let vector: [UInt8] = bytes(
        "f3899ac20a03706b311a0908001a0568656c6c6f1a0908001a05776f726c64f5fb92b07d5dc986bb5915e9657557aa")

    @Test("The contract's vector is two user records")
    func vector() throws {
        let record = record(7, Self.vector)
        let aggregate = try #require(Aggregate(record))
        #expect(aggregate.count == 2)
        #expect(aggregate[0].data == Array("hello".utf8))
        #expect(aggregate[1].data == Array("world".utf8))
        for position in 0..<2 {
            #expect(aggregate[position].partitionKey == "pk1")
            #expect(aggregate[position].record.explicitHashKey == nil)
            #expect(aggregate[position].subSequence == UInt64(position))
            #expect(aggregate[position].sequenceNumber == record.sequenceNumber)
            #expect(aggregate[position].approximateArrivalMillis == record.approximateArrivalMillis)
        }
    }

    @Test("A checkpoint at the last user record is one of the whole record; before that it names the user record")
    func positions() throws {
        let record = record(7, Self.vector)
        let aggregate = try #require(Aggregate(record))
        #expect(aggregate[0].position == .sequenceNumber(record.sequenceNumber, subSequence: 0))
        #expect(aggregate[1].position == .sequenceNumber(record.sequenceNumber, subSequence: nil))
    }

    @Test("Tables of keys and hash keys are looked up; unknown fields and tags are passed over")
    func tables() throws {
        var message = Message()
        message.bytes(1, Array("a".utf8))
        message.bytes(2, Array("340282366920938463463374607431768211455".utf8))
        message.bytes(1, Array("b".utf8))
        message.varint(9, 1 << 40)
        message.fixed64(10)
        message.fixed32(11)
        var user = Message()
        user.varint(1, 1)
        user.varint(2, 0)
        user.bytes(4, [10, 1, 65])
        user.bytes(3, [1, 2, 3])
        message.bytes(3, user.bytes)
        let aggregate = try #require(Aggregate(record(0, aggregated(message.bytes))))
        #expect(aggregate.count == 1)
        #expect(aggregate[0].partitionKey == "b")
        #expect(aggregate[0].record.explicitHashKey == .max)
        #expect(aggregate[0].data == [1, 2, 3])
    }

    @Test("Where a field is there twice the last one counts, and empty data is data")
    func twice() throws {
        var message = Message()
        var user = Message()
        user.varint(1, 5)
        user.varint(1, 0)
        user.bytes(3, [1])
        user.bytes(3, [])
        // The table may come behind what points into it.
        message.bytes(3, user.bytes)
        message.bytes(1, [])
        let aggregate = try #require(Aggregate(record(0, aggregated(message.bytes))))
        #expect(aggregate[0].data == [])
        #expect(aggregate[0].partitionKey == "")
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let data: [UInt8]
    }

    static let refused: [Refused] = {
        func user(_ change: (inout Message) -> Void) -> [UInt8] {
            var user = Message()
            change(&user)
            var message = Message()
            message.bytes(1, Array("k".utf8))
            message.bytes(3, user.bytes)
            return aggregated(message.bytes)
        }
        var flipped = Self.vector
        flipped[12] ^= 1
        var digest = Self.vector
        digest[digest.count - 1] ^= 0x80
        var hashKey = Message()
        hashKey.bytes(1, Array("k".utf8))
        hashKey.bytes(2, Array("12x".utf8))
        hashKey.bytes(3, [8, 0, 26, 0])
        return [
            Refused(testDescription: "nothing", data: []),
            Refused(testDescription: "the magic alone", data: Aggregate.magic),
            Refused(testDescription: "magic and digest, no message", data: aggregated([])),
            Refused(testDescription: "another magic", data: [0xf3, 0x89, 0x9a, 0xc3] + Self.vector.dropFirst(4)),
            Refused(testDescription: "a flipped bit in the message", data: flipped),
            Refused(testDescription: "a flipped bit in the digest", data: digest),
            Refused(testDescription: "one byte less", data: Self.vector.dropLast()),
            Refused(testDescription: "one byte more", data: Self.vector + [0]),
            Refused(testDescription: "keys and no records", data: aggregated([0x0a, 1, 65])),
            Refused(testDescription: "no partition key index", data: user { $0.bytes(3, [1]) }),
            Refused(testDescription: "no data", data: user { $0.varint(1, 0) }),
            Refused(
                testDescription: "an index outside of the table",
                data: user {
                    $0.varint(1, 1)
                    $0.bytes(3, [])
                }),
            Refused(
                testDescription: "a hash key index outside of the table",
                data: user {
                    $0.varint(1, 0)
                    $0.varint(2, 0)
                    $0.bytes(3, [])
                }),
            Refused(
                testDescription: "an index of 64 bits",
                data: user {
                    $0.varint(1, .max)
                    $0.bytes(3, [])
                }),
            Refused(testDescription: "a hash key that is no number", data: aggregated(hashKey.bytes)),
            Refused(testDescription: "a field longer than the message", data: aggregated([0x1a, 100, 8, 0])),
            Refused(
                testDescription: "a length of 64 bits",
                data: aggregated([0x1a] + [UInt8](repeating: 0xff, count: 9) + [1])),
            Refused(
                testDescription: "a number that never ends",
                data: aggregated([0x08] + [UInt8](repeating: 0xff, count: 11))),
            Refused(testDescription: "a group", data: aggregated([0x0b, 0x0c])),
            Refused(testDescription: "field number 0", data: aggregated([0x00, 0x00])),
        ]
    }()

    @Test("What does not check is an ordinary record, byte for byte", arguments: refused)
    func refusal(_ sample: Refused) {
        let record = record(3, sample.data)
        #expect(Aggregate(record) == nil)
        var cursor = UserRecordCursor([record], after: .trimHorizon)
        #expect(cursor.take(10) == [UserRecord(record)])
    }

    @Test("Whatever bytes come: no crash, no reading outside, and each record is delivered whole or as user records")
    func fuzz() {
        let seed: UInt64 = 20_260_917
        var random = Random(seed: seed)
        for round in 0..<5000 {
            var message = Array(Self.vector[4..<31])
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                switch Int.random(in: 0...3, using: &random) {
                case 0 where !message.isEmpty:
                    message[Int.random(in: 0..<message.count, using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                case 1 where !message.isEmpty: message.removeLast(Int.random(in: 1...message.count, using: &random))
                case 2:
                    let place = Int.random(in: 0...message.count, using: &random)
                    message.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: message += message.prefix(40)
                }
            }
            // With a right digest, so that the reader behind it is what is tried.
            let record = record(UInt64(round), aggregated(message))
            var cursor = UserRecordCursor([record], after: .trimHorizon)
            var records: [UserRecord] = []
            while true {
                let some = cursor.take(2)
                if some.isEmpty { break }
                records += some
            }
            guard let aggregate = Aggregate(record) else {
                #expect(records == [UserRecord(record)], "seed \(seed), round \(round)")
                continue
            }
            #expect(records.count == aggregate.count, "seed \(seed), round \(round)")
            #expect(records.reduce(0) { $0 + $1.data.count } <= message.count, "seed \(seed), round \(round)")
        }
    }

    @Test("Random aggregates come back as they were packed")
    func roundTrip() throws {
        let seed: UInt64 = 5
        var random = Random(seed: seed)
        for round in 0..<300 {
            let keys = (0..<Int.random(in: 1...5, using: &random)).map { "key-\($0)" }
            let hashKeys = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                HashKey(UInt128.random(in: 0 ... .max, using: &random))
            }
            var message = Message()
            for key in keys { message.bytes(1, Array(key.utf8)) }
            for key in hashKeys { message.bytes(2, Array("\(key)".utf8)) }
            var expected: [(String, HashKey?, [UInt8])] = []
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                let key = Int.random(in: 0..<keys.count, using: &random)
                let hashKey = Int.random(in: -1..<hashKeys.count, using: &random)
                let data = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                var user = Message()
                user.varint(1, UInt64(key))
                if hashKey >= 0 { user.varint(2, UInt64(hashKey)) }
                user.bytes(3, data)
                message.bytes(3, user.bytes)
                expected.append((keys[key], hashKey < 0 ? nil : hashKeys[hashKey], data))
            }
            let aggregate = try #require(
                Aggregate(record(1, aggregated(message.bytes))), "seed \(seed), round \(round)")
            #expect(aggregate.count == expected.count)
            for (position, (key, hashKey, data)) in expected.enumerated() where position < aggregate.count {
                #expect(aggregate[position].partitionKey == key)
                #expect(aggregate[position].record.explicitHashKey == hashKey)
                #expect(aggregate[position].data == data)
            }
        }
    }
}

@Suite("User records in portions")
struct UserRecordCursorTests {
    private func numbers(_ records: [UserRecord]) -> [String] {
        records.map { "\($0.sequenceNumber.index)" + ($0.subSequence.map { ".\($0)" } ?? "") }
    }

    private func all(_ cursor: inout UserRecordCursor, _ max: Int) -> [[String]] {
        var portions: [[String]] = []
        while true {
            let portion = cursor.take(max)
            if portion.isEmpty { return portions }
            portions.append(self.numbers(portion))
        }
    }

    private let records = [record(1, [1]), record(2, AggregateTests.vector), record(3, [3])]

    @Test("A portion may end within an aggregate")
    func portions() {
        var cursor = UserRecordCursor(self.records, after: .trimHorizon)
        #expect(self.all(&cursor, 2) == [["1", "2.0"], ["2.1", "3"]])
    }

    @Test("Behind a checkpoint within an aggregate its first user records are left out")
    func within() {
        var cursor = UserRecordCursor(
            Array(self.records.dropFirst()), after: .sequenceNumber(record(2, []).sequenceNumber, subSequence: 0))
        #expect(self.all(&cursor, 10) == [["2.1", "3"]])
    }

    @Test(
        "A checkpoint beyond the last user record of an aggregate leaves all of it out", arguments: [1, 2, UInt64.max])
    func beyond(_ subSequence: UInt64) {
        var cursor = UserRecordCursor(
            Array(self.records.dropFirst()),
            after: .sequenceNumber(record(2, []).sequenceNumber, subSequence: subSequence))
        #expect(self.all(&cursor, 10) == [["3"]])
    }

    @Test("User records whose keys belong to other shards are delivered: nobody else would")
    func outOfRange() {
        // The hash of "pk1" is where it is, whatever the shard's range: no range is asked for.
        var cursor = UserRecordCursor([record(2, AggregateTests.vector)], after: .trimHorizon)
        #expect(self.all(&cursor, 10) == [["2.0", "2.1"]])
    }
}
