// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirModel

/// Where a record lies.
package struct Place: Hashable, Sendable, CustomStringConvertible {
    package let shard: ShardNumber
    package let index: UInt64

    package init(shard: ShardNumber, index: UInt64) {
        self.shard = shard
        self.index = index
    }

    package var description: String { "\(self.shard)/\(self.index)" }
}

/// What one producer put, in its order, and what it was told of it.
package final class Ledger: Sendable {
    package struct State: Sendable {
        /// Of each record: how many of its key came before.
        package fileprivate(set) var ordinals: [UInt32] = []
        /// Of the records that were acknowledged, by position; another shard number stands for none.
        fileprivate var shards: [UInt32] = []
        fileprivate var indexes: [UInt64] = []
        package fileprivate(set) var acknowledged = 0
        package fileprivate(set) var failed = 0
        package fileprivate(set) var firstFailure: WeirError?
        /// Records that were given and whose fate was told.
        package fileprivate(set) var reported = 0
        fileprivate var ofKey: [UInt32]

        /// Where the record was stored, when it was acknowledged.
        package func place(_ position: Int) -> Place? {
            guard position < self.shards.count, self.shards[position] != Ledger.none else { return nil }
            return Place(shard: ShardNumber(self.shards[position]), index: self.indexes[position])
        }
    }

    package let producer: Int
    private let workload: Workload
    private let state: Mutex<State>
    fileprivate static let none = UInt32.max

    package init(_ workload: Workload, producer: Int) {
        self.producer = producer
        self.workload = workload
        self.state = Mutex(State(ofKey: Array(repeating: 0, count: workload.keys)))
    }

    /// The next record is about to be put. Returns its position.
    package func next() -> Int {
        self.state.withLock { state in
            let position = state.ordinals.count
            let key = self.workload.key(self.producer, position)
            state.ordinals.append(state.ofKey[key])
            state.ofKey[key] += 1
            state.shards.append(Self.none)
            state.indexes.append(0)
            return position
        }
    }

    /// What became of consecutive records.
    package func take(_ results: PutResults) {
        self.state.withLock { state in
            var position = Int(results.firstRecord)
            for result in results {
                switch result {
                case .success(let receipt):
                    state.shards[position] = receipt.shard.rawValue
                    state.indexes[position] = receipt.sequenceNumber.index
                    state.acknowledged += 1
                case .failure(let error):
                    state.failed += 1
                    if state.firstFailure == nil { state.firstFailure = error }
                }
                position += 1
            }
            state.reported = position
        }
    }

    package var acknowledged: Int { self.state.withLock { $0.acknowledged } }
    package var snapshot: State { self.state.withLock { $0 } }

    /// For tests of those who read ledgers.
    package func acknowledge(_ position: Int, at place: Place) {
        self.state.withLock { state in
            state.shards[position] = place.shard.rawValue
            state.indexes[position] = place.index
            state.acknowledged += 1
        }
    }
}
