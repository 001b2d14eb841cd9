// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Puts records into one stream: gathers, routes, pipelines, and keeps the order of every partition key through
/// throttling, splits and merges, and cut connections.
///
/// Records of one partition key are stored in the order in which they were given. What is stored twice after a cut
/// connection (`UnknownOutcome.resend`) is stored in that order both times.
public final class Producer: Sendable {
    public let stream: StreamDescription
    public let configuration: ProducerConfiguration

    init(stream: StreamDescription, configuration: ProducerConfiguration) {
        self.stream = stream
        self.configuration = configuration
    }

    /// Puts one record and waits until it is stored. Throws the `WeirError` for which it was not. A call whose task is
    /// cancelled throws `CancellationError`; its record may be stored all the same.
    public func put(key: String, explicitHashKey: HashKey? = nil, data: [UInt8]) async throws -> PutReceipt {
        preconditionFailure("signature")
    }

    /// Puts records and waits for all of them. Results are in the order of the records. Throws only when nothing was
    /// taken: an argument is invalid, the producer is finished.
    public func putBatch(_ records: [ProducerRecord]) async throws -> [PutResult] {
        preconditionFailure("signature")
    }

    /// The way for many records: see `ProducerBatcher`. `onResults` gets the results of all records in the order in
    /// which they were given, one call at a time, on a thread of the client: it must not block.
    public func batcher(onResults: @escaping @Sendable (PutResults) -> Void = { _ in }) -> ProducerBatcher {
        preconditionFailure("signature")
    }

    /// Takes nothing more, waits until everything is stored or failed, and closes the connection. When the task is
    /// cancelled it stops waiting, and what is left fails.
    public func finish() async throws {
        preconditionFailure("signature")
    }

    /// Takes nothing more and gives up what is under way, at once: its results are failures.
    public func cancel() {
        preconditionFailure("signature")
    }
}
