// SPDX-License-Identifier: Apache-2.0
import CWeir

/// A run of the harness that cannot go on: what was expected and what was there.
package struct HarnessError: Error, CustomStringConvertible, Sendable {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Throws `HarnessError` with the sentence when `condition` does not hold.
package func require(_ condition: Bool, _ sentence: @autoclosure () -> String) throws {
    guard condition else { throw HarnessError(sentence()) }
}

/// The value, or a `HarnessError` with the sentence.
package func require<T>(_ value: T?, _ sentence: @autoclosure () -> String) throws -> T {
    guard let value else { throw HarnessError(sentence()) }
    return value
}

package enum Waiting {
    /// For what happens within moments on an idle machine; generous, because tests share the processors.
    package static let usual = Duration.seconds(60)

    /// Asks again and again until `condition` gives a value; throws when it has not after `within`.
    package static func value<T>(
        _ what: @autoclosure () -> String, within: Duration = Waiting.usual, every: Duration = .milliseconds(3),
        isolation: isolated (any Actor)? = #isolation, _ condition: () async throws -> T?
    ) async throws -> T {
        let clock = ContinuousClock()
        let deadline = clock.now + within
        while true {
            if let value = try await condition() { return value }
            guard clock.now < deadline else { throw HarnessError("waited \(within) in vain for: \(what())") }
            try await Task.sleep(for: every)
        }
    }

    /// Asks again and again until `condition` holds; throws when it has not after `within`.
    package static func until(
        _ what: @autoclosure () -> String, within: Duration = Waiting.usual, every: Duration = .milliseconds(3),
        isolation: isolated (any Actor)? = #isolation, _ condition: () async throws -> Bool
    ) async throws {
        let _: Bool = try await Self.value(what(), within: within, every: every) { try await condition() ? true : nil }
    }
}

/// Time that has passed, on a clock that only runs forward.
package struct Stopwatch: Sendable {
    private let begin = weir_monotonic_nanoseconds()

    package init() {}

    package var seconds: Double { Double(weir_monotonic_nanoseconds() - self.begin) / 1e9 }
    package var milliseconds: Double { self.seconds * 1000 }
}
