// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// A `weir consume --json` that runs, and the rows of the lease table that it holds.
struct ConsumerProcess: Sendable {
    let name: String
    let process: ChildProcess

    static func start(
        _ weir: Weir, _ stream: StreamName, _ application: ApplicationName, _ name: String, sessionTimeout: String,
        onLine: @escaping OutputLines.Visitor
    ) async throws -> ConsumerProcess {
        let process = try await weir.start(
            [
                "consume", stream.description, "--app", application.description, "--worker", name, "--from",
                "trim-horizon", "--json", "--session-timeout", sessionTimeout,
            ], onLine: onLine)
        return ConsumerProcess(name: name, process: process)
    }

    func check() throws {
        if let ending = self.process.ending {
            throw HarnessError("worker \(self.name) ended with \(ending): \(self.process.errors.text.suffix(2000))")
        }
    }
}

/// The lease table of one application, asked again and again.
struct LeaseWatcher: Sendable {
    let client: WeirClient
    let stream: StreamID
    let application: ApplicationName

    /// None until the first worker has joined.
    func leases() async throws -> [LeaseDescription] {
        do {
            return try await self.client.leases(self.stream, application: self.application)
        } catch let error as WeirError where error.code == .applicationNotFound {
            return []
        }
    }

    func held(by worker: String) async throws -> [LeaseDescription] {
        try await self.leases().filter { $0.owner?.description == worker }
    }

    /// Waits until every lease that can be held is held, by none but these, and each of them holds at least `least`.
    func shared(by workers: [ConsumerProcess], atLeast least: Int, within: Duration = Waiting.usual) async throws {
        let names = Set(workers.map(\.name))
        try await Waiting.until("\(workers.map(\.name)) with \(least) leases each", within: within) {
            for worker in workers { try worker.check() }
            let owners = try await self.leases().filter { $0.checkpoint != .shardEnd }.map { $0.owner?.description }
            let counts = Dictionary(grouping: owners.compactMap { $0 }, by: { $0 }).mapValues(\.count)
            return Set(counts.keys) == names && counts.values.allSatisfy { $0 >= least }
        }
    }

    /// Milliseconds until nobody but these workers holds anything, and nothing that `worker` held is free.
    func moved(from worker: String, _ before: [LeaseDescription], within: Duration) async throws -> Double {
        let watch = Stopwatch()
        let shards = Set(before.filter { $0.checkpoint != .shardEnd }.map(\.shard))
        try await Waiting.until("the leases of \(worker) at others", within: within) {
            try await self.leases().allSatisfy { lease in
                if !shards.contains(lease.shard) || lease.checkpoint == .shardEnd { return true }
                guard let owner = lease.owner?.description else { return false }
                return owner != worker
            }
        }
        return watch.milliseconds
    }
}
