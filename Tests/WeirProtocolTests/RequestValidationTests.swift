// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

/// Values that have the form but are not allowed get their named error, with what is allowed in it.
@Suite struct RequestValidationTests {
    private func error<Request: WireRequest>(_ request: Request) -> WeirError? {
        do {
            _ = try request.encode().exactly { raw throws(WeirError) in try Request(request: raw) }
            return nil
        } catch {
            return error
        }
    }

    private func expectRefusal<Request: WireRequest>(
        _ request: Request, _ part: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = self.error(request)
        #expect(error?.code == .invalidArgument, sourceLocation: sourceLocation)
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "none")", sourceLocation: sourceLocation)
    }

    @Test func `Shard counts from 1 to 10,000`() {
        for shards: UInt32 in [1, 10_000] {
            #expect(self.error(CreateStream(name: "a", shards: shards, settings: .init())) == nil)
            #expect(self.error(UpdateShardCount(stream: Samples.stream, target: shards)) == nil)
        }
        for shards: UInt32 in [0, 10_001, .max] {
            self.expectRefusal(CreateStream(name: "a", shards: shards, settings: .init()), "1 to 10000")
            self.expectRefusal(UpdateShardCount(stream: Samples.stream, target: shards), "1 to 10000")
        }
    }

    @Test func `Stream names, with what is allowed`() {
        for name in ["", "a b", String(repeating: "a", count: 129), "é"] {
            self.expectRefusal(CreateStream(name: SentName(name), shards: 1, settings: .init()), "a-z, A-Z, 0-9")
            self.expectRefusal(DescribeStream(stream: .name(SentName(name))), "a-z, A-Z, 0-9")
        }
        #expect(self.error(DescribeStream(stream: .name(SentName(String(repeating: "a", count: 128))))) == nil)
    }

    @Test func `Settings of a stream`() {
        var settings = StreamSettings()
        settings.retentionMillis = 3_599_999
        self.expectRefusal(CreateStream(name: "a", shards: 1, settings: settings), "1 h to 8760 h")
        self.expectRefusal(UpdateStream(stream: Samples.stream, retentionMillis: 1), "1 h to 8760 h")
        self.expectRefusal(UpdateStream(stream: Samples.stream, sizeCap: .set(5)), "at least")
        self.expectRefusal(UpdateStream(stream: Samples.stream, recordBytesMax: .max), "10485760")
        #expect(self.error(UpdateStream(stream: Samples.stream)) == nil)
    }

    @Test func `What is absent in an update stays`() {
        var settings = StreamSettings(maxBytes: 1 << 30)
        settings.profile = .open
        #expect(UpdateStream(stream: Samples.stream).applied(to: settings) == settings)
        let update = UpdateStream(
            stream: Samples.stream, retentionMillis: 3_600_000, sizeCap: .removed, limits: .kinesis,
            recordBytesMax: 2_000_000)
        #expect(
            update.applied(to: settings)
                == StreamSettings(
                    retentionMillis: 3_600_000, maxBytes: nil, limits: .kinesis, recordBytesMax: 2_000_000))
        #expect(UpdateStream(stream: Samples.stream, sizeCap: .set(2 << 20)).applied(to: settings).maxBytes == 2 << 20)
    }

    @Test func `Pages from 1 to 10,000`() {
        for limit: UInt32 in [0, 10_001] {
            self.expectRefusal(ListStreams(limit: limit), "1 to 10000")
            self.expectRefusal(ListShards(stream: Samples.stream, limit: limit), "1 to 10000")
        }
        for limit: UInt32 in [1, 10_000] {
            #expect(self.error(ListStreams(limit: limit)) == nil)
            #expect(self.error(ListShards(stream: Samples.stream, limit: limit)) == nil)
        }
    }

    @Test func `GetRecords names one place, and says so only when there is something to say`() throws {
        func reread(_ request: GetRecords) throws -> GetRecords {
            try request.encode().withUnsafeBytes { try GetRecords(payload: $0) }
        }
        let lease = ReadLease(application: "billing", counter: 3)
        let place = GetRecords.From.place(Samples.stream, ShardNumber(1), .index(7))
        for from in [.iterator([1, 2]), place] as [GetRecords.From] {
            for lease in [nil, lease] {
                let request = GetRecords(from: from, lease: lease)
                #expect(try reread(request) == request)
                #expect(request.needsQuotedReads == (lease != nil || from == place))
            }
        }
        // As every server reads it.
        #expect(GetRecords(iterator: [1, 2]).encode().count == 2 + 2 + 12)
        for bytes in [
            GetRecords(iterator: [1, 2]).encode() + [0, 0], Array(GetRecords(from: place).encode().dropLast()),
            [1, 0, 9] + GetRecords(from: place).encode().dropFirst(2),
        ] {
            #expect(throws: MalformedBytes.self) { try bytes.withUnsafeBytes { try GetRecords(payload: $0) } }
        }
        self.expectRefusal(
            GetRecords(from: .iterator([1]), lease: .init(application: "a b", counter: 1)), "application name")
    }

    @Test func `GetRecords keeps to the contract's caps`() {
        #expect(self.error(GetRecords(iterator: [1], limit: 10_000, maxBytes: 10_485_760, waitMillis: 60_000)) == nil)
        #expect(self.error(GetRecords(iterator: [], limit: 1, maxBytes: 1)) == nil)
        self.expectRefusal(GetRecords(iterator: [1], limit: 0), "1 to 10000")
        self.expectRefusal(GetRecords(iterator: [1], limit: 10_001), "1 to 10000")
        self.expectRefusal(GetRecords(iterator: [1], maxBytes: 0), "1 to 10485760")
        self.expectRefusal(GetRecords(iterator: [1], maxBytes: 10_485_761), "1 to 10485760")
        self.expectRefusal(GetRecords(iterator: [1], waitMillis: 60_001), "0 to 60000")
        self.expectRefusal(GetRecords(iterator: [UInt8](repeating: 0, count: 513)), "Invalid ShardIterator")
    }

    @Test func `A payload without the form is malformed, and says what it was to be`() {
        let error = #expect(throws: WeirError.self) {
            _ = try [UInt8](repeating: 0, count: 3).exactly { raw throws(WeirError) in try TrimStream(request: raw) }
        }
        #expect(error?.code == .malformedRequest)
        #expect(error?.message.hasPrefix("TrimStream: ") == true)
    }
}
