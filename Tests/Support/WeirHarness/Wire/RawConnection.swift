// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel
import WeirProtocol

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A TCP connection to a server that sends whatever bytes it is told to: for what no client of ours would do.
package final class RawConnection: Sendable {
    private let descriptor: Int32
    /// A frame larger than this is not one that a server may send.
    private static let frameBytesMax = Limits.frameBytesMax

    /// One that was made by somebody else; it is closed with the last one who knows it.
    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { Descriptors.close(self.descriptor) }

    package static func open(_ server: ServerProcess) async throws -> RawConnection {
        let (host, port) = (server.host, server.port)
        return try await Blocking.run("weir-connect") { try Self.connect(host, port) }
    }

    /// Blocks.
    static func connect(_ host: String, _ port: Int) throws -> RawConnection {
        #if canImport(Glibc)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        #else
        let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        try require(descriptor >= 0, "no socket: \(Descriptors.lastError)")
        let connection = RawConnection(descriptor)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        try require(inet_pton(AF_INET, host, &address.sin_addr) == 1, "\(host) is no address")
        let code = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                system_connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try require(code == 0, "no connection to \(host):\(port): \(Descriptors.lastError)")
        return connection
    }

    /// Ends it in both directions, so that a server that ends need not wait for it.
    package func close() { _ = shutdown(self.descriptor, Int32(SHUT_RDWR)) }

    // MARK: Bytes

    /// Sends all of it; throws when the server has closed.
    package func send(_ bytes: [UInt8]) async throws {
        try await Blocking.run("weir-send") { try self.sendNow(bytes) }
    }

    /// Blocks, as all that ends with `Now`.
    func sendNow(_ bytes: [UInt8]) throws {
        try require(Descriptors.writeAll(self.descriptor, bytes), "the server takes no more bytes")
    }

    /// The next bytes, empty at the end; throws when nothing comes for `within`.
    package func receive(within: Duration = Waiting.usual) async throws -> [UInt8] {
        try await Blocking.run("weir-receive") { try self.receiveNow(64 << 10, within: within) }
    }

    func receiveNow(_ count: Int, within: Duration) throws -> [UInt8] {
        var waiting = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        let millis = Int32(
            clamping: within.components.seconds * 1000 + within.components.attoseconds / 1_000_000_000_000_000)
        var ready = poll(&waiting, 1, millis)
        while ready < 0 && errno == EINTR { ready = poll(&waiting, 1, millis) }
        try require(ready > 0, "the server said nothing for \(within)")
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = buffer.baseAddress.map { Descriptors.read(self.descriptor, into: $0, count) } ?? 0
        }
    }

    /// Everything until the server closes.
    package func receiveToEnd(within: Duration = Waiting.usual) async throws -> [UInt8] {
        try await Blocking.run("weir-receive") {
            var all: [UInt8] = []
            while true {
                let bytes = try self.receiveNow(64 << 10, within: within)
                if bytes.isEmpty { return all }
                all += bytes
            }
        }
    }

    // MARK: Frames

    package struct Frame: Sendable {
        package let header: FrameHeader
        package let payload: [UInt8]
    }

    /// The next frame; `nil` when the server has closed between two.
    package func frame(within: Duration = Waiting.usual) async throws -> Frame? {
        try await Blocking.run("weir-receive") { try self.frameNow(within) }
    }

    func frameNow(_ within: Duration) throws -> Frame? {
        guard let head = try self.exactly(FrameHeader.bytes, within) else { return nil }
        let header = try head.withUnsafeBytes { try FrameHeader(reading: $0) }
        try require(header.length <= Self.frameBytesMax, "the server sent a frame of \(header.length) bytes")
        let payload = try require(try self.exactly(header.length, within), "the server cut its own frame short")
        return Frame(header: header, payload: payload)
    }

    private func exactly(_ count: Int, _ within: Duration) throws -> [UInt8]? {
        var all: [UInt8] = []
        while all.count < count {
            let bytes = try self.receiveNow(count - all.count, within: within)
            if bytes.isEmpty {
                try require(all.isEmpty, "the server closed within a frame")
                return nil
            }
            all += bytes
        }
        return all
    }

    // MARK: Messages

    /// Says hello and returns what the server answers.
    @discardableResult
    package func hello(_ name: String = "weir-harness") async throws -> HelloAnswer {
        try await self.send(try Hello(clientName: name).frame(correlation: 1))
        let frame = try require(try await self.frame(), "the server closed instead of answering Hello")
        try require(frame.header.type == .helloAnswer, "Hello was answered by a frame of type \(frame.header.rawType)")
        return try frame.payload.withUnsafeBytes { try HelloAnswer(payload: $0) }
    }

    /// A call and its answer; an error that the server answers is thrown.
    package func call<C: WireCall>(
        _ call: C, correlation: UInt64 = 7, within: Duration = Waiting.usual
    ) async throws -> C.Answer {
        let frame = try await self.answer(
            call.frame(correlation: correlation), correlation: correlation, within: within)
        return try frame.payload.withUnsafeBytes { try C.Answer(payload: $0) }
    }

    /// Sends a frame and returns the one that answers it; an error that the server answers is thrown.
    package func answer(
        _ request: [UInt8], correlation: UInt64, within: Duration = Waiting.usual
    ) async throws -> Frame {
        try await self.send(request)
        let frame = try require(try await self.frame(within: within), "the server closed instead of answering")
        try require(
            frame.header.correlation == correlation,
            "an answer to \(frame.header.correlation), expected one to \(correlation)")
        if frame.header.type == .error {
            throw try frame.payload.withUnsafeBytes { try ErrorAnswer(payload: $0) }.error
        }
        return frame
    }

    /// The error that the server answers; throws when it does not.
    package func refusal(_ request: [UInt8], correlation: UInt64) async throws -> WeirError {
        do {
            let frame = try await self.answer(request, correlation: correlation)
            throw HarnessError("expected an error, the answer is a frame of type \(frame.header.rawType)")
        } catch let error as WeirError {
            return error
        }
    }

    /// The error of `Closing`, the last frame of a connection that the server closes.
    package func closing(within: Duration = Waiting.usual) async throws -> WeirError {
        while let frame = try await self.frame(within: within) {
            guard frame.header.type == .closing else { continue }
            let error = try frame.payload.withUnsafeBytes { try Closing(payload: $0) }.error
            let rest = try await self.receiveToEnd(within: within)
            try require(rest.isEmpty, "\(rest.count) bytes behind Closing")
            return error
        }
        throw HarnessError("the server closed without saying why")
    }

    /// Puts records that the server routes. Returns what became of each.
    package func put(
        _ stream: StreamID, _ records: [(key: String, data: [UInt8])], correlation: UInt64
    ) async throws -> [WeirError.Code?] {
        var body = BatchBodyBuilder()
        for record in records {
            Array(record.key.utf8).withUnsafeBytes { key in
                record.data.withUnsafeBytes { body.append(key: key, data: $0) }
            }
        }
        var writer = PutRecordsWriter(PutRecords.Header(stream: stream, mapVersion: 0))
        writer.append(shard: nil, body: body.finish())
        let frame = try await self.answer(writer.finish(correlation: correlation), correlation: correlation)
        return try frame.payload.withUnsafeBytes { raw in
            let view = try PutRecordsAnswerView(payload: raw)
            try require(view.recordCount == records.count, "\(view.recordCount) results for \(records.count) records")
            return (0..<view.recordCount).map { record -> WeirError.Code? in
                if case .refused(let code, _) = view[view.entryPosition(ofRecord: record)].outcome { code } else { nil }
            }
        }
    }
}

// The name of this call is also that of a function here.
private func system_connect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
    connect(descriptor, address, length)
}
