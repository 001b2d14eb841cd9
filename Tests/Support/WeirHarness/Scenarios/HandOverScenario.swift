// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Measures how long leases are without a worker: after a clean end and after SIGKILL, round by round.
package struct HandOverScenario: Sendable {
    package var shards = 64
    package var workers = 4
    /// Of each kind.
    package var rounds = 50
    package var sessionSeconds = 2
    package var parentFolder: String?
    package var onProgress: @Sendable (String) -> Void = { _ in }

    package init() {}

    package func run() async throws -> Report {
        try await ServerProcess.with("handover", in: self.parentFolder) { server in
            let name = try StreamName("orders")
            try await server.weir.succeed(
                "stream", "create", name.description, "--shards", "\(self.shards)", "--limits", "open")
            let client = try await server.client()
            do {
                let stream = try await client.describeStream(name)
                let watcher = LeaseWatcher(
                    client: client, stream: stream.id, application: try ApplicationName("judge"))
                let report = try await self.run(server, name, watcher)
                await client.close()
                return report
            } catch {
                await client.close()
                throw error
            }
        }
    }

    private func run(_ server: ServerProcess, _ stream: StreamName, _ watcher: LeaseWatcher) async throws -> Report {
        var workers: [ConsumerProcess] = []
        func start() async throws {
            workers.append(
                try await ConsumerProcess.start(
                    server.weir, stream, watcher.application, "worker-\(workers.count)-\(SeededRandom.anySeed())",
                    sessionTimeout: "\(self.sessionSeconds)s", onLine: { _ in }))
        }
        for _ in 0..<self.workers { try await start() }
        var (left, killed) = (Spread(), Spread())
        for round in 0..<self.rounds * 2 {
            try await watcher.shared(by: workers, atLeast: self.shards / self.workers - 1)
            let worker = workers.remove(at: round % workers.count)
            let held = try await watcher.held(by: worker.name)
            let isClean = round % 2 == 0
            worker.process.send(isClean ? SIGTERM : SIGKILL)
            let millis = try await watcher.moved(
                from: worker.name, held, within: .seconds(self.sessionSeconds + 30))
            if isClean { left.add(millis) } else { killed.add(millis) }
            _ = try await worker.process.ended()
            self.onProgress("round \(round): \(isClean ? "left" : "killed"), \(Int(millis)) ms")
            try await start()
        }
        for worker in workers { worker.process.send(SIGTERM) }
        for worker in workers { _ = try await worker.process.ended() }
        var report = Report("handover")
        report.add("shards", self.shards)
        report.add("workers", self.workers)
        report.add("rounds of each", self.rounds)
        report.add("after a clean end", left.millisText)
        report.add("after kill -9 with a session timeout of \(self.sessionSeconds) s", killed.millisText)
        if left.max > 500 { report.violations.add("a clean end took \(Int(left.max)) ms, 500 are allowed") }
        let most = Double(self.sessionSeconds) * 1000 + 500
        if killed.max > most { report.violations.add("a kill took \(Int(killed.max)) ms, \(Int(most)) are allowed") }
        return report
    }
}
