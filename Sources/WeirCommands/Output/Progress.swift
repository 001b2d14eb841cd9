// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirIO
import WeirJSON

/// Records, bytes and rate on stderr while a long command runs, when a person looks there and does not type there.
final class Progress: Sendable {
    private let records = Atomic<Int>(0)
    private let bytes = Atomic<Int>(0)
    private let verb: String
    private let begin = SystemClock().monotonicNanos
    private let isShown: Bool

    /// `verb` says what was done with the records, such as `put`.
    init(_ verb: String, isShown: Bool = Messages.isTerminal) {
        self.verb = verb
        self.isShown = isShown
    }

    func add(records: Int, bytes: Int) {
        self.records.add(records, ordering: .relaxed)
        self.bytes.add(bytes, ordering: .relaxed)
    }

    /// For figures that are counted elsewhere.
    func set(records: Int, bytes: Int) {
        self.records.store(records, ordering: .relaxed)
        self.bytes.store(bytes, ordering: .relaxed)
    }

    /// For bytes that are counted elsewhere.
    func setBytes(_ bytes: Int) {
        self.bytes.store(bytes, ordering: .relaxed)
    }

    var recordCount: Int { self.records.load(ordering: .relaxed) }
    var byteCount: Int { self.bytes.load(ordering: .relaxed) }

    /// Shows the figures twice a second while `body` runs, and takes them away again.
    func whileRunning<R>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
    ) async throws -> R {
        guard self.isShown else { return try await body() }
        let ticker = Task {
            var last = (records: 0, at: self.begin)
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(500))
                let now = SystemClock().monotonicNanos
                let records = self.recordCount
                if Task.isCancelled { break }
                let rate = Double(records - last.records) * 1e9 / Double(max(1, now - last.at))
                let line = Self.line(self.verb, records: records, bytes: self.byteCount, rate: rate)
                // Brought to the background it leaves the line to whoever types there.
                ErrorOutput.shared.show(Messages.isForeground ? line : "")
                last = (records, now)
            }
        }
        let result: Result<R, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        ticker.cancel()
        await ticker.value
        ErrorOutput.shared.show("")
        return try result.get()
    }

    static func line(_ verb: String, records: Int, bytes: Int, rate: Double) -> String {
        "\(verb) \(CountText.describe(records, "record")), \(SizeText.rounded(Int64(bytes))), "
            + "\(CountText.describe(Int64(rate)))/s"
    }

    /// What was done in the end, with the average rate.
    func summary(_ what: String) -> String {
        let seconds = max(0.001, Double(SystemClock().monotonicNanos - self.begin) / 1e9)
        return "\(what) (\(SizeText.rounded(Int64(self.byteCount)))) in \(JSONNumber.fixed(seconds, 2)) s, "
            + "\(CountText.describe(Int64(Double(self.recordCount) / seconds)))/s"
    }
}
