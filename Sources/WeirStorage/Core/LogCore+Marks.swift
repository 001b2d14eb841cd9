// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// From when on what the log says may be told.
extension LogCore {
    /// LSN of the last catalog event.
    package internal(set) var catalogLSN: LSN {
        get { self.positions.catalog }
        set { self.positions.catalog = newValue }
    }

    /// LSN of the last change of the lease table.
    package internal(set) var leaseLSN: LSN {
        get { self.positions.leases }
        set { self.positions.leases = newValue }
    }

    /// The commit that holds the last thing that was admitted.
    package var headLSN: LSN { self.commits.head }

    /// How far the log is durable. Whoever takes a mark takes this with it, under the same lock.
    package var watermark: Watermark {
        self.positions.watermark(self.durableLSN, isOver: self.isTermOver)
    }

    private var isTermOver: Bool {
        switch self.state {
        case .recovering, .stopped: true
        case .serving, .closing: false
        }
    }

    /// For what was computed from something in commit `lsn`.
    package func mark(_ lsn: LSN) -> Mark { self.positions.mark(lsn) }

    /// For what was computed from the catalog.
    package var catalogMark: Mark { self.mark(self.catalogLSN) }

    /// For what was computed from the lease table.
    package var leaseMark: Mark { self.mark(self.leaseLSN) }

    /// Whether what was computed from a state with this mark may be told now.
    package func mayTell(_ mark: Mark) -> Bool { self.watermark.judge(mark) == .reached }

    /// Runs `body`; what it returns or throws is told when all is durable that it has seen.
    package func tell<Value: Sendable>(_ body: () throws(WeirError) -> Value) -> Told<Value> {
        if let error = self.unavailable() { return self.told(.failure(error), .none) }
        self.positions.beginLook()
        do throws(WeirError) {
            let value = try body()
            return self.told(.success(value), self.positions.lookMark)
        } catch {
            return self.told(.failure(error), self.positions.lookMark)
        }
    }

    /// As above, for a stream that must be there.
    package func tell<Value: Sendable>(
        of stream: StreamID, _ body: (StreamState) throws(WeirError) -> Value
    ) -> Told<Value> {
        self.tell { () throws(WeirError) in
            guard let found = self.catalog.stream(stream) else { throw self.missing(stream) }
            return try body(found)
        }
    }

    private func told<Value>(_ value: Result<Value, WeirError>, _ mark: Mark) -> Told<Value> {
        Told(value: value, mark: mark, watermark: self.watermark)
    }
}

/// What was decided about a request, from when on it may be told, and what was durable at that moment.
package struct Told<Value: Sendable>: Sendable {
    package let value: Result<Value, WeirError>
    package let mark: Mark
    /// `nil`: the log was not asked.
    package let watermark: Watermark?

    package init(value: Result<Value, WeirError>, mark: Mark, watermark: Watermark?) {
        self.value = value
        self.mark = mark
        self.watermark = watermark
    }

    package func map<Other: Sendable>(_ body: (Value) -> Other) -> Told<Other> {
        Told<Other>(value: self.value.map(body), mark: self.mark, watermark: self.watermark)
    }
}
