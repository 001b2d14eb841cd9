// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A moment as a calendar shows it, at a fixed distance from UTC.
struct CivilTime: Hashable, Sendable {
    let year: Int
    /// 1 to 12.
    let month: Int
    let day: Int
    /// 1 to 366.
    let dayOfYear: Int
    /// 0 is Monday.
    let weekday: Int
    let hour: Int
    let minute: Int
    let second: Int
    let millisecond: Int

    /// `millis` since 1970; `offsetMinutes` east of UTC.
    init(millis: Int64, offsetMinutes: Int) {
        let local = millis + Int64(offsetMinutes) * 60_000
        let day = Self.floor(local, 86_400_000)
        let inDay = Int(local - day * 86_400_000)
        self.millisecond = inDay % 1000
        self.second = inDay / 1000 % 60
        self.minute = inDay / 60_000 % 60
        self.hour = inDay / 3_600_000
        // Thursday was the first day of 1970.
        self.weekday = Int(((day % 7) + 10) % 7)
        let date = CivilDate.date(daysSince1970: day)
        self.day = Int(date.day)
        self.month = Int(date.month)
        self.year = Int(date.year)
        self.dayOfYear = Int(day - CivilDate.daysSince1970(year: date.year, month: 1, day: 1)) + 1
    }

    private static func floor(_ value: Int64, _ by: Int64) -> Int64 {
        value >= 0 ? value / by : (value - by + 1) / by
    }
}
