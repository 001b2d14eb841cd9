// SPDX-License-Identifier: Apache-2.0

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
        // Years begin in March here, so that a leap day is the last of its year; eras have 400 years.
        let shifted = day + 719_468
        let era = Self.floor(shifted, 146_097)
        let dayOfEra = Int(shifted - era * 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfMarchYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfMarchYear + 2) / 153
        self.day = dayOfMarchYear - (153 * monthFromMarch + 2) / 5 + 1
        self.month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        self.year = yearOfEra + Int(era) * 400 + (self.month <= 2 ? 1 : 0)
        let isLeap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
        self.dayOfYear = before[self.month - 1] + self.day + (isLeap && self.month > 2 ? 1 : 0)
    }

    private static func floor(_ value: Int64, _ by: Int64) -> Int64 {
        value >= 0 ? value / by : (value - by + 1) / by
    }
}
