// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension WeirClient {
    /// Makes a stream of 1 to 10,000 shards. Throws `streamExists`, `limitExceeded`, `invalidArgument`. Not repeated
    /// when the connection breaks: whether the stream was made is then unknown (`maybeStored`).
    @discardableResult
    public func createStream(
        _ name: StreamName, shards: Int = 4, settings: StreamSettings = StreamSettings(), timeout: Duration? = nil
    ) async throws -> StreamDescription {
        try ClientConfiguration.check(shards, Limits.shardsPerStream, "number of shards")
        let request = CreateStream(name: SentName(name), shards: UInt32(shards), settings: settings)
        return try await self.call(request, timeout: timeout, isRepeatable: false).stream
    }

    /// Throws `streamNotFound`.
    public func describeStream(_ name: StreamName, timeout: Duration? = nil) async throws -> StreamDescription {
        try await self.call(DescribeStream(stream: .name(SentName(name))), timeout: timeout, isRepeatable: true)
            .stream
    }

    /// Throws `streamDeleted` or `streamNotFound`.
    public func describeStream(_ id: StreamID, timeout: Duration? = nil) async throws -> StreamDescription {
        try await self.call(DescribeStream(stream: .id(id)), timeout: timeout, isRepeatable: true).stream
    }

    /// One page of streams in the order of their names, 1 to 10,000.
    public func listStreams(
        after: StreamName? = nil, limit: Int = 1000, timeout: Duration? = nil
    ) async throws -> StreamPage {
        try ClientConfiguration.check(limit, 1...Wire.pageMax, "number of streams a page")
        let request = ListStreams(afterName: after.map { SentName($0) }, limit: UInt32(limit))
        let answer = try await self.call(request, timeout: timeout, isRepeatable: true)
        return StreamPage(streams: answer.streams, hasMore: answer.hasMore)
    }

    /// All streams in the order of their names, fetched by the page.
    public var streams: StreamList { StreamList(client: self) }

    /// Changes what is set in `change`, and returns what the stream is then.
    @discardableResult
    public func updateStream(
        _ id: StreamID, _ change: StreamChange, timeout: Duration? = nil
    ) async throws -> StreamDescription {
        try await self.call(change.request(for: id), timeout: timeout, isRepeatable: true).stream
    }

    /// Hides the records that arrived before a time, for good.
    public func trimStream(_ id: StreamID, before time: Timestamp, timeout: Duration? = nil) async throws {
        try await self.trimStream(id, beforeMillis: time.millisecondsSince1970, timeout: timeout)
    }

    /// The same, in milliseconds since 1970.
    package func trimStream(_ id: StreamID, beforeMillis: Int64, timeout: Duration? = nil) async throws {
        _ = try await self.call(
            TrimStream(stream: id, beforeMillis: beforeMillis), timeout: timeout, isRepeatable: true)
    }

    public func deleteStream(_ id: StreamID, timeout: Duration? = nil) async throws {
        _ = try await self.call(DeleteStream(stream: id), timeout: timeout, isRepeatable: false)
    }
}

/// One page of streams.
public struct StreamPage: Hashable, Sendable {
    public let streams: [StreamDescription]
    /// Whether more follow behind the last one.
    public let hasMore: Bool

    public init(streams: [StreamDescription], hasMore: Bool) {
        self.streams = streams
        self.hasMore = hasMore
    }
}

/// What to change of a stream; what is `nil` stays.
public struct StreamChange: Hashable, Sendable {
    package var retentionMillis: Int64?
    public var retention: Duration? {
        get { self.retentionMillis.map { .milliseconds($0) } }
        set { self.retentionMillis = newValue?.millis }
    }
    public var maxBytes: SizeCap?
    public var limits: LimitsProfile?
    public var recordBytesMax: Int?

    public enum SizeCap: Hashable, Sendable {
        case none
        /// Bytes on disk.
        case bytes(Int64)
    }

    public init(
        retention: Duration? = nil, maxBytes: SizeCap? = nil, limits: LimitsProfile? = nil, recordBytesMax: Int? = nil
    ) {
        self.init(
            retentionMillis: retention?.millis, maxBytes: maxBytes, limits: limits, recordBytesMax: recordBytesMax)
    }

    package init(
        retentionMillis: Int64?, maxBytes: SizeCap? = nil, limits: LimitsProfile? = nil,
        recordBytesMax: Int? = nil
    ) {
        self.retentionMillis = retentionMillis
        self.maxBytes = maxBytes
        self.limits = limits
        self.recordBytesMax = recordBytesMax
    }

    func request(for id: StreamID) throws(WeirError) -> UpdateStream {
        if let recordBytesMax {
            try ClientConfiguration.check(
                recordBytesMax, Limits.recordBytesDefault...Limits.recordBytesMax, "record limit in bytes")
        }
        let sizeCap: UpdateStream.SizeCap =
            switch self.maxBytes {
            case nil: .unchanged
            case .some(.none): .removed
            case .some(.bytes(let bytes)): .set(bytes)
            }
        return UpdateStream(
            stream: id, retentionMillis: self.retentionMillis, sizeCap: sizeCap, limits: self.limits,
            recordBytesMax: self.recordBytesMax.map { UInt32($0) })
    }
}

/// All streams of a node, fetched by the page while iterating.
public struct StreamList: AsyncSequence, Sendable {
    public typealias Element = StreamDescription
    let client: WeirClient

    public func makeAsyncIterator() -> Iterator { Iterator(client: self.client) }

    public struct Iterator: AsyncIteratorProtocol {
        let client: WeirClient
        private var page: ArraySlice<StreamDescription> = []
        private var last: StreamName?
        private var hasMore = true

        init(client: WeirClient) {
            self.client = client
        }

        public mutating func next() async throws -> StreamDescription? {
            while self.page.isEmpty {
                guard self.hasMore else { return nil }
                let page = try await self.client.listStreams(after: self.last)
                self.hasMore = page.hasMore && !page.streams.isEmpty
                self.page = page.streams[...]
                self.last = page.streams.last?.name
            }
            return self.page.popFirst()
        }
    }
}
