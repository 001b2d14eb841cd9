// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// Where those who ask for deliveries and whoever runs them meet: what is asked for stands in the catalog, how it goes
/// here.
package final class DeliveryDesk: Sendable {
    package struct Key: Hashable, Sendable {
        package let stream: StreamID
        package let application: ApplicationName

        package init(stream: StreamID, application: ApplicationName) {
            self.stream = stream
            self.application = application
        }
    }

    /// Whoever runs deliveries.
    package struct Runner: Sendable {
        /// Throws `invalidArgument` with what is wrong in a configuration for a delivery of this stream.
        package let check: @Sendable (_ configuration: String, _ stream: StreamName) throws(WeirError) -> Void
        /// Something was asked for; called under the log's lock.
        package let changed: @Sendable () -> Void

        package init(
            check: @escaping @Sendable (String, StreamName) throws(WeirError) -> Void,
            changed: @escaping @Sendable () -> Void
        ) {
            self.check = check
            self.changed = changed
        }
    }

    private struct State {
        var runner: Runner?
        /// Those of the catalog.
        var known: Set<Key> = []
        var statuses: [Key: String] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// From now on deliveries may be asked for, if they are not more than `Limits.deliveriesMax`.
    package func open(_ runner: Runner) { self.state.withLock { $0.runner = runner } }

    /// Nothing runs deliveries any more.
    package func close() {
        self.state.withLock {
            $0.runner = nil
            $0.statuses = [:]
        }
    }

    /// Those that the runner has found in the catalog.
    package func found(_ keys: Set<Key>) {
        self.state.withLock { state in
            state.known = keys
            state.statuses = state.statuses.filter { keys.contains($0.key) }
        }
    }

    /// `text`: a JSON object of at most `Limits.deliveryStatusBytesMax`.
    package func show(_ key: Key, _ text: String) {
        precondition(text.utf8.count <= Limits.deliveryStatusBytesMax, "a status of \(text.utf8.count) bytes")
        self.state.withLock { if $0.known.contains(key) { $0.statuses[key] = text } }
    }

    func status(_ key: Key) -> String { self.state.withLock { $0.statuses[key] ?? "" } }

    /// Throws what says why this server runs no such delivery.
    func check(_ configuration: String, _ stream: StreamName) throws(WeirError) {
        guard let runner = self.state.withLock({ $0.runner }) else {
            throw WeirError(
                .unavailable,
                "this server writes no files: its operator says where it may with 'weir serve --deliver-to FOLDER'. "
                    + "'weir deliver run' delivers without it",
                verdict: WeirError.Verdict(maybeStored: false, retry: .never))
        }
        try runner.check(configuration, stream)
    }

    /// Throws `limitExceeded` when this were one too many.
    func checkRoom(for key: Key) throws(WeirError) {
        let count = self.state.withLock { $0.known.contains(key) ? 0 : $0.known.count }
        guard count < Limits.deliveriesMax else {
            throw WeirError(.limitExceeded, "a server runs at most \(Limits.deliveriesMax) deliveries")
        }
    }

    func changed(_ key: Key, isThere: Bool) {
        self.state.withLock { state in
            if isThere { state.known.insert(key) } else { state.known.remove(key) }
            return state.runner
        }?.changed()
    }
}
