// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirModel

@testable import WeirConsumer

@Suite struct DeadLetterTests {
    private func letter(_ key: String, hashKey: HashKey? = nil, subSequence: UInt64? = nil, cause: String) throws
        -> String
    {
        let number = SequenceNumber(
            shardCreationSecond: 1000, shard: ShardNumber(2), index: 7, arrivalSecond: 2000)
        let record = Record(
            sequenceNumber: number, partitionKey: key, explicitHashKey: hashKey, data: Array("hello".utf8),
            approximateArrivalMillis: 2_000_500)
        let letter = DeadLetter(
            record: subSequence.map { UserRecord(record, subSequence: $0, isLast: false) } ?? UserRecord(record),
            application: try ApplicationName("app"), worker: try WorkerID("w-1"), attempts: 3, cause: cause)
        let digits = "\(number)"
        return String(decoding: letter.json, as: UTF8.self).replacing(digits, with: "<number>")
    }

    @Test func itIsTheRecordWithWhatBecameOfIt() throws {
        #expect(
            try self.letter("k", cause: "no")
                == #"{"shardId":"shardId-000000000002","sequenceNumber":"<number>","partitionKey":"k","#
                + #""approximateArrivalTimestamp":2000.500,"application":"app","worker":"w-1","attempts":3,"#
                + #""cause":"no","data":"aGVsbG8="}"#)
        #expect(
            try self.letter("k\"\u{1}", hashKey: HashKey(17), subSequence: 4, cause: "ü\\")
                == #"{"shardId":"shardId-000000000002","sequenceNumber":"<number>","subSequenceNumber":4,"#
                + #""partitionKey":"k\"\u0001","explicitHashKey":"17","approximateArrivalTimestamp":2000.500,"#
                + #""application":"app","worker":"w-1","attempts":3,"cause":"ü\\","data":"aGVsbG8="}"#)
    }
}
