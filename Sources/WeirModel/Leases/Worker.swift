// SPDX-License-Identifier: Apache-2.0

/// What a worker calls itself within its application: 1 to 256 visible ASCII characters, no spaces.
public struct WorkerID: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let description: String

    public init(_ text: String) throws(WeirError) {
        guard Limits.workerCharacters.contains(text.utf8.count), text.utf8.allSatisfy({ (33...126).contains($0) })
        else {
            throw WeirError(
                .invalidArgument,
                "worker id '\(text.prefix(260))' is not allowed: 1 to 256 visible ASCII characters, no spaces")
        }
        self.description = text
    }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}

/// Who holds a lease: a worker id, and which life of that worker. The number is drawn when a worker starts, so that a
/// process which was replaced under the same id cannot pass for its successor.
package struct LeaseOwner: Hashable, Sendable, CustomStringConvertible {
    package let worker: WorkerID
    package let incarnation: UInt64

    package init(worker: WorkerID, incarnation: UInt64) {
        self.worker = worker
        self.incarnation = incarnation
    }

    package var description: String { self.worker.description }
}
