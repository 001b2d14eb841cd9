// SPDX-License-Identifier: Apache-2.0
import WeirModel

extension WeirClient {
    /// A producer for a stream, with a connection of its own. Throws `streamNotFound`, `invalidArgument`,
    /// `limitExceeded`.
    public func producer(
        _ stream: StreamName, _ configuration: ProducerConfiguration = ProducerConfiguration()
    ) async throws -> Producer {
        try await self.producer(try await self.describeStream(stream), configuration)
    }

    /// A producer for a stream as it was described: its record limit is taken from there.
    public func producer(
        _ stream: StreamDescription, _ configuration: ProducerConfiguration = ProducerConfiguration()
    ) async throws -> Producer {
        try Producer(client: self, stream: stream, configuration: configuration)
    }

    /// The records of one shard from a position on, in order. A closed shard ends; an open one too with `.tip`. Reading
    /// under a lease ends with `leaseLost` as soon as the server says that the lease is another's or was reset.
    public func records(
        _ stream: StreamID, shard: ShardNumber, from start: ShardIteratorType, until end: ReadEnd = .forever,
        as reader: Reader = Reader(), _ configuration: ReaderConfiguration = ReaderConfiguration()
    ) -> ShardRecords {
        ShardRecords(
            client: self,
            plan: .init(
                stream: stream, scope: .shard(shard, start), end: end, reader: reader, configuration: configuration))
    }

    /// The records of all shards of a stream, through splits and merges: a shard begins only when all its parents have
    /// been read to their end. A lease is of one shard, so reading under one is refused with `invalidArgument`.
    public func records(
        _ stream: StreamID, from start: StreamStart, until end: ReadEnd = .forever, as reader: Reader = Reader(),
        _ configuration: ReaderConfiguration = ReaderConfiguration()
    ) -> StreamRecords {
        StreamRecords(
            client: self,
            plan: .init(
                stream: stream, scope: .stream(start), end: end, reader: reader, configuration: configuration))
    }
}
