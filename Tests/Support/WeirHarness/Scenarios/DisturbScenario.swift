// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirClient
import WeirModel

/// Faults of the disk one after the other, drawn by chance, under a steady load with a reader: commits that are lost or
/// land and fail, a disk that stalls, snapshots and footers that fail, kills. Nothing acknowledged may be lost, and the
/// log must go on within seconds after each.
package struct DisturbScenario: Sendable {
    package var rounds = 100
    package var seed = SeededRandom.anySeed()
    /// Records a second of all producers together.
    package var rate = 5_000
    /// How long the disk stalls at most, in milliseconds.
    package var longestStall = 400
    /// Where the data folder is made; `nil` is the system's place for temporary files.
    package var parentFolder: String?
    /// Told after each fault.
    package var onProgress: @Sendable (String) -> Void = { _ in }

    package init() {}

    private enum Fault: CaseIterable {
        case lost
        case landed
        case stall
        case snapshots
        case footers
        case kill
    }

    private static let settings: KeyValuePairs<String, String> = [
        "storage.segment-min": "4MiB", "storage.segment-max": "8MiB", "event-loops": "2",
    ]

    package func run() async throws -> Report {
        let weir = try Weir.find()
        return try await TemporaryFolder.with("disturb", in: self.parentFolder) { folder in
            let scene = Scene(weir: weir, folder: folder)
            do {
                let report = try await self.run(scene)
                try await scene.end()
                return report
            } catch {
                let said = scene.serverErrors
                try? await scene.end()
                throw HarnessError("disturb, seed \(self.seed): \(error)\n  (the servers said: \(said.suffix(3000)))")
            }
        }
    }

    private func run(_ scene: Scene) async throws -> Report {
        let faults = try await FaultPage.make(in: scene.folder)
        var server = try await scene.serve(Self.settings, faults: faults)
        var counts: [Fault: Int] = [:]
        var report = try await Traffic.run("disturb", server, rate: self.rate, seed: self.seed) { traffic in
            var random = SeededRandom(self.seed)
            var failures: [Int64] = []
            for round in 1...max(1, self.rounds) {
                let fault = Fault.allCases[Int(random.next() % UInt64(Fault.allCases.count))]
                counts[fault, default: 0] += 1
                let isOdd = counts[fault, default: 0] % 2 == 1
                switch fault {
                case .lost: failures.append(try await Self.fail(.lost, faults))
                case .landed: failures.append(try await Self.fail(.landed, faults))
                case .stall:
                    faults.stall(true)
                    try await Task.sleep(for: .milliseconds(Int.random(in: 1...self.longestStall, using: &random)))
                    faults.stall(false)
                // For as long as the next rounds take, until it is drawn again.
                case .snapshots: faults.failSnapshots(isOdd)
                case .footers:
                    let segment = try Files.names(in: scene.data).last { $0.hasPrefix("segment-") }
                    faults.failFooters(of: isOdd ? segment : nil)
                case .kill:
                    try await server.process.kill9()
                    failures.append(weir_wall_milliseconds())
                    server = try await scene.serve(Self.settings, faults: faults, port: server.port)
                }
                let acknowledged = traffic.load.acknowledged
                try await Waiting.until("acknowledgements after round \(round), \(fault)", within: .seconds(30)) {
                    try traffic.check()
                    if let ending = server.process.ending { throw HarnessError("the server ended with \(ending)") }
                    return traffic.load.acknowledged > acknowledged + 500
                }
                self.onProgress("round \(round) of \(self.rounds): \(fault), \(traffic.load.acknowledged) acknowledged")
            }
            faults.failSnapshots(false)
            faults.failFooters(of: nil)
            return failures
        }
        for fault in Fault.allCases { report.add("\(fault)", counts[fault] ?? 0) }
        try await server.stop()
        try await scene.weir.run(["verify", scene.data], within: .seconds(300)).expect(0)
        return report
    }

    /// Lets the next commit fail. Returns when it did.
    private static func fail(_ kind: FaultPage.Commit, _ faults: FaultPage) async throws -> Int64 {
        let before = faults.failedCommits
        faults.failCommits(1, kind)
        // That the order is taken comes first, and the time of the failure later.
        try await Waiting.until("a commit that fails") { faults.failedCommits > before }
        return faults.lastFailedMillis
    }
}
