// SPDX-License-Identifier: Apache-2.0

/// A failure that a caller can act on: a stable code, a sentence, and a verdict.
///
/// The codes are stable numbers on the wire; `Verdict` says whether a put may have been stored and what to do next.
public struct WeirError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Retry: Hashable, Sendable {
        case never
        /// Not before so long. Servers say it in whole milliseconds.
        case after(Duration)
        case refreshShardMap

        package static func after(millis: UInt32) -> Retry { .after(.milliseconds(Int64(millis))) }
    }

    public struct Verdict: Hashable, Sendable {
        /// True when the request may have been stored.
        public let maybeStored: Bool
        public let retry: Retry

        public init(maybeStored: Bool, retry: Retry) {
            self.maybeStored = maybeStored
            self.retry = retry
        }
    }

    public let code: Code
    public let message: String
    public let verdict: Verdict

    public init(_ code: Code, _ message: String, verdict: Verdict? = nil) {
        self.code = code
        self.message = message
        self.verdict = verdict ?? code.usualVerdict
    }

    public var description: String { self.message }
}
