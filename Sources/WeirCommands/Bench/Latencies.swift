// SPDX-License-Identifier: Apache-2.0
import Histogram

/// Latencies in nanoseconds, to three digits, up to two minutes.
struct Latencies: Sendable {
    private var histogram = Histogram<UInt64>(highestTrackableValue: 120_000_000_000)
    private static let highest: UInt64 = 120_000_000_000

    mutating func record(nanos: UInt64) {
        self.histogram.record(min(nanos, Self.highest))
    }

    var count: UInt64 { self.histogram.totalCount }

    /// Microseconds at a percentile in 0...100; `nil` when nothing was measured.
    func micros(_ percentile: Double) -> Double? {
        self.count == 0 ? nil : Double(self.histogram.valueAtPercentile(percentile)) / 1000
    }
}
