// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@Suite struct NamesAndLimitsTests {
    @Test(arguments: ["a", "orders", "A-b_c.9", String(repeating: "x", count: 128)])
    func namesOfTheContractAreTaken(_ text: String) throws {
        #expect(try StreamName(text).description == text)
    }

    @Test(arguments: ["", "a b", "ä", "a/b", String(repeating: "x", count: 129), "a\n"])
    func otherNamesAreRefusedWithWhatIsAllowed(_ text: String) throws {
        let error = #expect(throws: WeirError.self) { try StreamName(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("1 to 128") == true)
    }

    @Test func shardIdsHaveTwelveDigitsAndLooseFormsAreRead() throws {
        #expect(ShardNumber(3).description == "shardId-000000000003")
        #expect(try ShardNumber(parsing: "shardId-000000000003") == ShardNumber(3))
        #expect(try ShardNumber(parsing: "3") == ShardNumber(3))
    }

    @Test(arguments: ["", "shardId-", "shardId-x", "-1", "4294967296", "shard-1", "shardId-0000000000001"])
    func otherShardIdsAreRefused(_ text: String) {
        #expect(throws: WeirError.self) { try ShardNumber(parsing: text) }
    }

    @Test(arguments: ["kinesis", "open", "bytes-in=1000", "records-in=5,bytes-out=7", "reads-out=1"])
    func limitsReadBackAsTheyAreWritten(_ text: String) throws {
        #expect(try LimitsProfile(parsing: text).description == text)
    }

    /// Four numbers that a profile happens to have are not the profile: they stay when it changes.
    @Test func explicitNumbersStayExplicit() throws {
        let text = LimitsProfile.kinesis.rates.description
        #expect(text == "bytes-in=1048576,records-in=1000,bytes-out=2097152,reads-out=5")
        #expect(try LimitsProfile(parsing: text) == .explicit(LimitsProfile.kinesis.rates))
        #expect(try LimitsProfile(parsing: text) != .kinesis)
        let none = LimitsProfile.explicit(LimitsProfile.open.rates)
        #expect(try LimitsProfile(parsing: none.description) == none && none != .open)
        #expect(StreamSettings(limits: .kinesis).limits == LimitsProfile.kinesis.rates)
    }

    @Test(arguments: ["", "fast", "bytes-in", "bytes-in=0", "bytes-in=-1", "bytes-in=1,,", "bytes=5", "bytes-in=x"])
    func otherLimitsAreRefusedWithTheKeysThatExist(_ text: String) {
        let error = #expect(throws: WeirError.self) { try LimitsProfile(parsing: text) }
        #expect(error?.message.contains("records-in") == true)
    }

    @Test func settingsOutsideTheContractAreRefused() {
        for settings in [
            StreamSettings(retentionMillis: 3_599_999), StreamSettings(retentionMillis: 31_536_000_001),
            StreamSettings(maxBytes: 1), StreamSettings(recordBytesMax: 1), StreamSettings(recordBytesMax: 10_485_761),
            StreamSettings(limits: .explicit(RateLimits(bytesIn: 0, recordsIn: nil, bytesOut: nil, readsOut: nil))),
        ] {
            #expect(throws: WeirError.self) { try settings.validate() }
        }
        #expect(throws: Never.self) { try StreamSettings().validate() }
    }

    @Test func errorCodesAreStableNumbersAndHaveNames() {
        #expect(Set(WeirError.Code.allCases.map(\.name)).count == WeirError.Code.allCases.count)
        #expect(WeirError.Code.allCases.map(\.rawValue) == Array(1...30))
        #expect(WeirError.Code.streamDeleted.name == "StreamDeleted")
    }

    @Test(arguments: [0, 31, 900, UInt16.max])
    func aCodeThatIsNotKnownIsPrintedWithItsNumberAndPromisesNothing(number: UInt16) {
        let code = WeirError.Code(rawValue: number)
        #expect(code.name == "Error\(number)" && code.description == code.name)
        #expect(code.usualVerdict == .init(maybeStored: true, retry: .never))
        #expect(!WeirError.Code.allCases.contains(code))
    }
}
