// SPDX-License-Identifier: Apache-2.0
import Foundation
import WeirIO

@testable import WeirLog
@testable import WeirStorage

/// A folder that goes with the test.
final class TemporaryFolder {
    let path: String

    init() throws {
        self.path = FileManager.default.temporaryDirectory.path + "/weir-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }
}

/// Collects what the storage tells, and waits for it.
final class ProgressBox: Sendable {
    struct State: Sendable {
        var durable = LSN.none
        var events: [WeirStorage.Progress] = []
    }

    private let monitor = Monitor(State())

    @Sendable func note(_ progress: WeirStorage.Progress) {
        self.monitor.withLock { state in
            if case .durable(let watermark, _) = progress { state.durable = max(state.durable, watermark.lsn) }
            state.events.append(progress)
        }
        self.monitor.wakeAll()
    }

    func wait(_ lsn: LSN) {
        let reached: Bool? = self.monitor.wait(milliseconds: 30_000) { $0.durable >= lsn ? true : nil }
        precondition(reached == true, "\(lsn) did not become durable")
    }

    /// Whether it is told `count` times, within half a minute.
    func wait(for isMeant: (WeirStorage.Progress) -> Bool, count: Int) -> Bool {
        self.monitor.wait(milliseconds: 30_000) { $0.events.count(where: isMeant) >= count ? true : nil } ?? false
    }

    /// Why writes failed.
    var reasons: [String] {
        self.monitor.withLock { $0.events.compactMap { if case .failed(_, let reason) = $0 { reason } else { nil } } }
    }

    /// Sentences for the operator.
    var notices: [String] {
        self.monitor.withLock { $0.events.compactMap { if case .notice(let said) = $0 { said } else { nil } } }
    }

    /// How often a write was told to have failed.
    var failures: Int {
        self.monitor.withLock { $0.events.count { if case .failed = $0 { true } else { false } } }
    }
}
