// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The other end of a connection, down to its bytes: sends what it is told, also what no client would send.
final class RawClient {
    struct Frame {
        let header: FrameHeader
        let payload: [UInt8]

        var type: FrameType? { self.header.type }

        func decode<M: WireMessage>(_ type: M.Type = M.self) throws -> M {
            try self.payload.withUnsafeBytes { try M(payload: $0) }
        }

        /// The error of an error frame.
        var error: WeirError? {
            guard self.type == .error else { return nil }
            return try? self.decode(ErrorAnswer.self).error
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private var descriptor: Int32
    private var buffer: [UInt8] = []
    private var lastCorrelation: UInt64 = 100
    /// Pushes, and answers to others, that came while an answer was awaited.
    var pushes: [Frame] = []

    /// `receiveBytes`: of the socket's own buffer, for a client that does not read.
    init(port: Int, receiveBytes: Int32? = nil) throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard self.descriptor >= 0 else { throw Failure(description: "no socket: \(errno)") }
        if var receiveBytes {
            setsockopt(self.descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, 4)
        }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(self.descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        var one: Int32 = 1
        setsockopt(self.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            Glibc.close(self.descriptor)
            throw Failure(description: "not connected: \(String(cString: strerror(errno)))")
        }
    }

    deinit { self.close() }

    func close() {
        if self.descriptor >= 0 { Glibc.close(self.descriptor) }
        self.descriptor = -1
    }

    /// Sends nothing more, and reads on.
    func endInput() { shutdown(self.descriptor, Int32(SHUT_WR)) }

    // MARK: Bytes

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                Glibc.send(self.descriptor, raw.baseAddress! + sent, raw.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(description: "not sent: \(String(cString: strerror(errno)))") }
            sent += count
        }
    }

    /// Sends as much as goes without waiting.
    func sendWithoutWaiting(_ bytes: [UInt8]) -> Int {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        return bytes.withUnsafeBytes { Glibc.send(self.descriptor, $0.baseAddress, $0.count, flags) }
    }

    /// The next frame; `nil` when the other end has closed.
    func receive() throws -> Frame? {
        while true {
            if let frame = self.next() { return frame }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(self.descriptor, &chunk, chunk.count, 0)
            if count == 0 || (count < 0 && errno == ECONNRESET) { return nil }
            guard count > 0 else { throw Failure(description: "nothing came: \(String(cString: strerror(errno)))") }
            self.buffer.append(contentsOf: chunk[..<count])
        }
    }

    private func next() -> Frame? {
        guard self.buffer.count >= FrameHeader.bytes,
            let header = self.buffer.withUnsafeBytes({ try? FrameHeader(reading: $0) }),
            self.buffer.count >= header.totalLength
        else { return nil }
        let payload = Array(self.buffer[FrameHeader.bytes..<header.totalLength])
        self.buffer.removeFirst(header.totalLength)
        return Frame(header: header, payload: payload)
    }

    /// Reads on until the other end closes. Returns what Closing said.
    func receiveClosing() throws -> WeirError? {
        var error: WeirError?
        while let frame = try self.receive() {
            if frame.type == .closing { error = try frame.decode(Closing.self).error }
        }
        return error
    }

    // MARK: Requests

    func nextCorrelation() -> UInt64 {
        self.lastCorrelation += 1
        return self.lastCorrelation
    }

    @discardableResult
    func hello(
        session: UInt64 = 0, number: UInt64 = 0, features: UInt64 = Wire.features
    ) throws -> HelloAnswer {
        let hello = try Hello(
            clientName: "raw", sessionID: session, connectionNumber: number, features: features)
        try self.send(hello.frame(correlation: 1))
        guard let frame = try self.receive() else { throw Failure(description: "closed instead of Hello's answer") }
        guard frame.type == .helloAnswer else {
            throw Failure(description: "\(frame.header.rawType) instead of Hello's answer")
        }
        return try frame.decode()
    }

    /// Sends a request and waits for its answer; pushes are kept.
    func ask<R: WireRequest>(_ request: R) throws -> Frame {
        let correlation = self.nextCorrelation()
        try self.send(request.frame(correlation: correlation))
        return try self.answer(to: correlation)
    }

    func answer(to correlation: UInt64) throws -> Frame {
        func isIt(_ frame: Frame) -> Bool {
            frame.header.correlation == correlation && frame.type?.direction == .answer
        }
        if let kept = self.pushes.firstIndex(where: isIt) { return self.pushes.remove(at: kept) }
        while let frame = try self.receive() {
            if isIt(frame) { return frame }
            self.pushes.append(frame)
        }
        throw Failure(description: "closed instead of an answer to \(correlation)")
    }

    /// Sends a request and reads the answer that is expected.
    func call<R: WireRequest, A: WireMessage>(_ request: R, _ answer: A.Type = A.self) throws -> A {
        let frame = try self.ask(request)
        if let error = frame.error { throw error }
        return try frame.decode()
    }

    /// Sends a request that is to be refused.
    func refusal<R: WireRequest>(_ request: R) throws -> WeirError {
        let frame = try self.ask(request)
        guard let error = frame.error else { throw Failure(description: "\(request) was not refused") }
        return error
    }

    /// The next push, kept or to come.
    func push() throws -> Frame {
        if !self.pushes.isEmpty { return self.pushes.removeFirst() }
        guard let frame = try self.receive() else { throw Failure(description: "closed instead of a push") }
        return frame
    }
}
