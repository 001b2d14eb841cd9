// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The nodes that a test has started: they go down when it ends, however it ends.
package final class RunningNodes: Sendable {
    @TaskLocal static var current: RunningNodes?

    private let nodes = Mutex<[InProcessNode]>([])

    func add(_ node: InProcessNode) { self.nodes.withLock { $0.append(node) } }

    /// Runs a test that may start nodes.
    package static func during(_ test: @Sendable () async throws -> Void) async throws {
        let nodes = RunningNodes()
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await Self.$current.withValue(nodes, operation: test))
        } catch {
            outcome = .failure(error)
        }
        for node in nodes.nodes.withLock({ $0 }) { await node.shutDown() }
        try outcome.get()
    }
}
