// SPDX-License-Identifier: Apache-2.0
import WeirLog
import WeirTestKit

/// Who takes part in a history: uses the node, or troubles it, and judges what comes of that.
protocol SimActor: AnyObject {
    /// The history begins. A process runs already.
    func begin() throws(Violation)
    /// The node has a new process.
    func nodeStarted(_ process: EngineProcess) throws(Violation)
    /// The process is gone, and with it all connections.
    func nodeEnded()
    /// A write has failed, and the log has recovered: what lay above is lost.
    func termEnded(_ watermark: Watermark)
    /// Something has happened, and the node is up.
    func afterEvent() throws(Violation)
    /// A few times a second, while the node is up: the rules of time.
    func watch() throws(Violation)
    /// Nothing goes wrong any more, and nothing new is to begin.
    func heal() throws(Violation)
    /// What it still waits for; `nil`: nothing.
    func unfinished() throws(Violation) -> String?
    /// It goes, with all its connections.
    func leave()
    /// The history is over, and no process runs.
    func checkEnd() throws(Violation)
}

extension SimActor {
    func termEnded(_ watermark: Watermark) {}
    func afterEvent() throws(Violation) {}
    func watch() throws(Violation) {}
    func heal() throws(Violation) {}
    func unfinished() throws(Violation) -> String? { nil }
    func checkEnd() throws(Violation) {}
}
