// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@Suite struct TimestampTests {
    private static func at(_ millis: Int64) -> Timestamp { Timestamp(millisecondsSince1970: millis) }

    @Test(
        arguments: [
            (0.0, 0), (1.5, 1500), (0.0004, 0), (0.0006, 1), (-1.25, -1250), (1e300, .max), (-1e300, .min),
            (.infinity, .max), (.nan, 0),
        ] as [(Double, Int64)])
    func `Seconds are rounded to the nearest moment that there is`(_ seconds: Double, _ millis: Int64) {
        #expect(Timestamp(secondsSince1970: seconds) == Self.at(millis))
    }

    @Test func `Moments are ordered, lie apart by a duration, and one gets from each to the other`() {
        let edges: [Int64] = [.min, .min + 1, -1500, -1, 0, 1, 1_700_000_000_000, .max - 1, .max]
        for one in edges {
            for other in edges {
                #expect((Self.at(one) < Self.at(other)) == (one < other))
                let apart = Self.at(one) - Self.at(other)
                let (exact, isCut) = one.subtractingReportingOverflow(other)
                if isCut {
                    #expect(apart.millis == (one < other ? .min : .max), "\(one) \(other)")
                } else {
                    #expect(apart == .milliseconds(exact) && Self.at(other) + apart == Self.at(one))
                    #expect(exact == .min || Self.at(one) - apart == Self.at(other))
                }
            }
        }
        #expect(Self.at(.max) + .seconds(1) == Self.at(.max) && Self.at(.min) - .seconds(1) == Self.at(.min))
        #expect(Self.at(10) + .microseconds(1999) == Self.at(11), "whole milliseconds, towards zero")
    }

    @Test(
        arguments: [
            (Duration.zero, 0), (.microseconds(999), 0), (.microseconds(-999), 0), (.milliseconds(-1500), -1500),
            (.seconds(86_400), 86_400_000), (.seconds(Int64.max), .max), (.seconds(Int64.min), .min),
        ] as [(Duration, Int64)])
    func `A duration has whole milliseconds, cut to what 64 bits hold`(_ duration: Duration, _ millis: Int64) {
        #expect(duration.millis == millis)
    }

    @Test func `Settings keep what is set as a duration`() throws {
        var settings = StreamSettings(retention: .seconds(7200))
        #expect(settings == StreamSettings(retentionMillis: 7_200_000))
        settings.retention = .milliseconds(3_600_001)
        #expect(settings.retentionMillis == 3_600_001 && settings.retention == .milliseconds(3_600_001))
        #expect(StreamSettings() == StreamSettings(retentionMillis: Limits.retentionMillisDefault))
        settings.retention = .seconds(-5)
        #expect(throws: WeirError.self) { try settings.validate() }
    }
}
