// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirTestKit

@testable import WeirJSON

@Suite struct RecordJSONTests {
    private func isRecord(_ text: [UInt8]) -> Bool {
        var json = RecordJSONReader()
        return text.withUnsafeBytes { bytes in
            do throws(JSONError) {
                try json.parse(bytes)
                return true
            } catch {
                return false
            }
        }
    }

    @Test(arguments: [
        "", "[]", "{", "{}", "{\"partitionKey\":\"k\",\"data\":\"aGk=\"", "{\"partitionKey\":\"k\" \"data\":\"aGk=\"}",
        "{\"partitionKey\":\"k\",\"data\":\"aGk=\"}}", "{\"partitionKey\":1,\"data\":\"aGk=\"}",
        "{\"partitionKey\":\"k\",\"data\":\"aGk\"}", "{\"partitionKey\":\"k\",\"data\":null}",
        "{\"partitionKey\":\"k\",\"data\":\"aGk=\",}", "{\"partitionKey\":\"\\x\",\"data\":\"aGk=\"}",
        "{\"partitionKey\":\"\\ud800\",\"data\":\"aGk=\"}", "{\"partitionKey\":\"\\u12\",\"data\":\"aGk=\"}",
        "{\"partitionKey\":\"k\",\"data\":\"aGk=\",\"x\":nope}",
        "{\"partitionKey\":\"k\",\"data\":\"aGk=\",\"x\":[1,]}",
        "{\"partitionKey\":\"k\",\"data\":\"aGk=\",\"explicitHashKey\":-1}", "{\"partitionKey\":\"k",
        "{\"partitionKey\":\"k\\\"", "{\"partitionKey\":\"a\u{1}b\",\"data\":\"aGk=\"}",
    ])
    func refusesWhatIsNoRecord(text: String) {
        #expect(!self.isRecord(Array(text.utf8)))
    }

    @Test(arguments: [
        "{\"partitionKey\":\"k\",\"data\":\"aGk=\"}", " { \"data\" : \"aGk=\" , \"partitionKey\" : \"k\" } ",
        "{\"x\":{\"a\":[1,-2.5e3,true,null,\"}\"],\"b\":{}},\"partitionKey\":\"k\",\"y\":[],\"data\":\"aGk\\u003d\"}",
        "{\"partitionKey\":\"old\",\"partitionKey\":\"k\",\"data\":\"aGk=\",\"explicitHashKey\":null}",
    ])
    func skipsWhatItDoesNotNeed(text: String) throws {
        var json = RecordJSONReader()
        try Array(text.utf8).withUnsafeBytes { try json.parse($0) }
        #expect(String(decoding: json.key, as: UTF8.self) == "k")
        #expect(String(decoding: json.data, as: UTF8.self) == "hi")
        #expect(json.explicitHashKey == nil)
    }

    @Test func neverTrapsOnBytesThatAreCutOrFlipped() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SplitMix64(seed: seed)
        let whole = Array(
            "{\"shardId\":\"s\",\"partitionKey\":\"\\ud83c\\udf89\\n\",\"n\":[1,{\"a\":null}],\"data\":\"aGVsbG8=\"}"
                .utf8)
        for length in 0...whole.count {
            var bytes = Array(whole[..<length])
            for _ in 0..<20 {
                if length < whole.count { #expect(!self.isRecord(Array(whole[..<length]))) }
                _ = self.isRecord(bytes)
                if bytes.isEmpty { break }
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
            }
        }
        var json = RecordJSONReader()
        try whole.withUnsafeBytes { try json.parse($0) }
        #expect(String(decoding: json.key, as: UTF8.self) == "🎉\n")
    }
}
