// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel

/// A change of many leases while it is drawn up: begun under the log's lock, with what it must know of the shards
/// asked for in short stays there, finished without it, and void when the log recovers meanwhile.
package struct LogDraft: Sendable {
    let term: UInt64
    package let application: ApplicationRef
    private var state: State

    private enum State: Sendable {
        case learning(LeaseDraft)
        case finished(Result<LeaseDraft.Finished?, WeirError>)
    }

    init(_ draft: LeaseDraft, of application: ApplicationRef, term: UInt64) {
        self.term = term
        self.application = application
        self.state = .learning(draft)
    }

    /// Shards whose next index it asks for; none when it can be finished.
    package func asks(atMost max: Int) -> ArraySlice<ShardNumber> {
        guard case .learning(let draft) = self.state else { return [] }
        return draft.asks(atMost: max)
    }

    /// The next indexes of those that it asks for.
    package mutating func learn(_ indexes: [UInt64]) {
        guard case .learning(var draft) = self.state else { return }
        self.state = .finished(.success(nil))
        draft.learn(indexes)
        self.state = .learning(draft)
    }

    /// Works out all rows and the bytes of the event: without the log's lock.
    package mutating func finish() {
        guard case .learning(let draft) = self.state else { return }
        do throws(WeirError) {
            self.state = .finished(.success(try draft.finish()))
        } catch {
            self.state = .finished(.failure(error))
        }
    }

    func outcome() throws(WeirError) -> LeaseDraft.Finished? {
        guard case .finished(let result) = self.state else { preconditionFailure("a draft that is not finished") }
        return try result.get()
    }

    /// What a reset did, by shard. `changed`: the rows that had changed meanwhile.
    package func resets(changed: [LeaseRows.Element]) -> [LeaseReset] {
        guard case .finished(.success(let finished?)) = self.state, case .leasesReset(let event) = finished.event else {
            return []
        }
        let changed = Dictionary(changed.map { ($0.key, $0.value) }) { first, _ in first }
        return event.rows.map { $0.told(before: changed[$0.shard] ?? finished.before[$0.shard]) }
    }
}

extension LogCore {
    func draft(_ command: LeaseCommand, of stream: StreamState, _ moment: GroupMoment) -> LogDraft? {
        guard let application = command.application else { return nil }
        let draft = LeaseDraft(command, self.leases, stream, nowMillis: self.stamp(moment.wallMillis))
        return LogDraft(draft, of: application, term: self.term)
    }

    /// Where the records of shards go on.
    package func nextIndexes(of numbers: some Sequence<ShardNumber>, in stream: StreamID) -> [UInt64] {
        numbers.map { self.shards[ShardRef(stream: stream, shard: $0)]?.nextIndex ?? 0 }
    }
}
