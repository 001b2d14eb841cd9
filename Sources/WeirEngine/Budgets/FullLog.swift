// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Whether the log refuses puts because it has no room for them: since when, why, and what there is to tell about it.
/// No clock and no I/O.
///
/// A refusal enters the state. It is left when the largest put that was refused would have room, and nothing was
/// refused for three seconds: producers come back after one, and records at the edge do not fill the server's log with
/// news.
package struct FullLog: Hashable, Sendable {
    package struct Refusing: Hashable, Sendable {
        /// Milliseconds since 1970.
        package let sinceMillis: Int64
        fileprivate let sinceNanos: UInt64
        fileprivate var lastNanos: UInt64
        /// The sentence of the last refusal.
        fileprivate(set) var reason: String
        /// The largest put that was refused.
        fileprivate(set) var size: Size
        fileprivate(set) var records: Int
    }

    /// What a put needs in the log.
    package struct Size: Hashable, Sendable {
        package var parts: Int
        /// Records in stored form.
        package var bytes: Int
    }

    package enum News: Hashable, Sendable {
        case entered(reason: String)
        case left(afterMillis: Int64, records: Int)
    }

    static let quietNanos: UInt64 = 3_000_000_000

    package private(set) var refusing: Refusing?
    private var news: [News] = []

    mutating func refused(records: Int, _ size: Size, reason: String, nowMillis: Int64, nowNanos: UInt64) {
        guard var refusing else {
            self.refusing = Refusing(
                sinceMillis: nowMillis, sinceNanos: nowNanos, lastNanos: nowNanos, reason: reason, size: size,
                records: records)
            return self.news.append(.entered(reason: reason))
        }
        refusing.lastNanos = max(refusing.lastNanos, nowNanos)
        refusing.reason = reason
        refusing.records += records
        if size.bytes > refusing.size.bytes { refusing.size = size }
        self.refusing = refusing
    }

    /// Whether it is time to look if there is room again; if so, for that much.
    func wantsToKnow(nowNanos: UInt64) -> Size? {
        guard let refusing, nowNanos >= refusing.lastNanos + Self.quietNanos else { return nil }
        return refusing.size
    }

    /// There is room for what `wantsToKnow` named.
    mutating func hasRoom(nowNanos: UInt64) {
        guard self.wantsToKnow(nowNanos: nowNanos) != nil, let refusing else { return }
        self.news.append(
            .left(
                afterMillis: Int64((refusing.lastNanos - refusing.sinceNanos) / 1_000_000), records: refusing.records))
        self.refusing = nil
    }

    /// What there is to tell since the last call: at most two things in three seconds.
    mutating func takeNews() -> [News] {
        guard !self.news.isEmpty else { return [] }
        defer { self.news = [] }
        return self.news
    }
}

extension FullLog.Refusing {
    /// Such as `log full since 2026-01-31T12:00:00Z: the log takes ...`.
    package var sentence: String { "log full since \(Self.utc(self.sinceMillis)): \(self.reason)" }

    private static func utc(_ millis: Int64) -> String {
        var seconds = time_t(millis / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }
}
