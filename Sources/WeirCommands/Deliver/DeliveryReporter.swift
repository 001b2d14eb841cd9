// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirDelivery
import WeirJSON

/// Prints the status of a delivery as JSON, when it has changed.
final class DeliveryReporter: Sendable {
    private let last = Mutex<DeliveryStatus?>(nil)
    private let writing = Atomic<Bool>(false)

    /// A line is on its way to whoever reads it.
    var isWriting: Bool { self.writing.load(ordering: .acquiring) }

    func report(_ status: DeliveryStatus, isLast: Bool) throws {
        let isNews = self.last.withLock { last in
            // Age alone is no news.
            var (now, before) = (status, last)
            now.forgetAge()
            before?.forgetAge()
            last = status
            return isLast || now != before
        }
        guard isNews else { return }
        self.writing.store(true, ordering: .releasing)
        defer { self.writing.store(false, ordering: .releasing) }
        let output = StandardOutput()
        status.object(state: isLast ? .ended : nil).write(to: output.bytes)
        try output.flush()
    }
}
