// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// From when to when records go into one folder, by the time that stands in its path.
package struct FolderPeriod: Hashable, Sendable {
    enum Unit: Int, CaseIterable, Hashable, Sendable {
        case year
        case month
        case day
        case hour
        case minute
        case second
    }

    /// In milliseconds since 1970; the end is the beginning of the next one.
    package let start: Int64
    package let end: Int64

    /// The unit that folders last for: the finest that all coarser ones stand beside, because otherwise the folder is
    /// used again. `nil`: folders do not end.
    static func unit(_ units: Set<Unit>) -> Unit? {
        var found: Unit?
        for unit in Unit.allCases {
            guard units.contains(unit) else { return found }
            found = unit
        }
        return found
    }

    init(of millis: Int64, _ unit: Unit, offsetMinutes: Int) {
        let time = CivilTime(millis: millis, offsetMinutes: offsetMinutes)
        func moment(_ year: Int, _ month: Int, _ day: Int, seconds: Int = 0) -> Int64 {
            let days = CivilDate.daysSince1970(year: Int64(year), month: Int64(month), day: Int64(day))
            return (days * 86_400 + Int64(seconds)) * 1000 - Int64(offsetMinutes) * 60_000
        }
        let lengths: [Unit: Int] = [.hour: 3600, .minute: 60, .second: 1]
        switch unit {
        case .year:
            self.start = moment(time.year, 1, 1)
            self.end = moment(time.year + 1, 1, 1)
        case .month:
            self.start = moment(time.year, time.month, 1)
            self.end = time.month == 12 ? moment(time.year + 1, 1, 1) : moment(time.year, time.month + 1, 1)
        case .day:
            self.start = moment(time.year, time.month, time.day)
            self.end = self.start + 86_400_000
        case .hour, .minute, .second:
            let length = lengths[unit] ?? 1
            let seconds = (time.hour * 60 + time.minute) * 60 + time.second
            self.start = moment(time.year, time.month, time.day, seconds: seconds / length * length)
            self.end = self.start + Int64(length) * 1000
        }
    }
}
