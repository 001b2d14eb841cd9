// SPDX-License-Identifier: Apache-2.0
import WeirLog

/// Marks and watermarks of one log.
package enum TestMarks {
    package static func mark(_ lsn: UInt64, term: UInt64 = 1) -> Mark { Mark(log: 7, term: term, lsn: LSN(lsn)) }

    package static func watermark(
        _ lsn: UInt64, term: UInt64 = 1, isOver: Bool = false, after before: Watermark? = nil
    ) -> Watermark {
        Watermark(log: 7, term: term, lsn: LSN(lsn), isOver: isOver, before: before?.end)
    }
}
