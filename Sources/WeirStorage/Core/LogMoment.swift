// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog

extension Clock {
    /// All that the log's time asks of a clock, read at once.
    package var moment: LogTime.Moment {
        LogTime.Moment(
            wallMillis: self.wallMillis, nanos: self.monotonicNanos, isSynchronized: self.isSynchronized)
    }
}
