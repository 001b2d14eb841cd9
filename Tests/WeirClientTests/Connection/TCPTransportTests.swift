// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Synchronization
import Testing
import WeirModel
import WeirProtocol

@testable import WeirClient

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A port that is taken, so that no other test gets it, and where nobody listens.
private final class HeldPort {
    private let descriptor: Int32
    let port: Int

    init() throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = self.descriptor
        let taken = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        self.port = Int(UInt16(bigEndian: address.sin_port))
        try #require(taken && self.port > 0)
    }

    deinit { close(self.descriptor) }
}

/// A server on a port of its own that sends back whatever it gets.
private final class EchoServer {
    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.write(data, promise: nil)
        }
        func channelReadComplete(context: ChannelHandlerContext) { context.flush() }
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel
    var port: Int { self.channel.localAddress?.port ?? 0 }

    init() async throws {
        self.channel = try await ServerBootstrap(group: self.group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Echo()) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func stop() async throws {
        try await self.channel.close()
        try await self.group.shutdownGracefully()
    }
}

private final class Collector: FrameReceiver {
    struct State {
        var frames: [[UInt8]] = []
        var reason: WeirError?
    }

    let state = Mutex(State())

    func received(_ header: FrameHeader, _ frame: ByteBuffer, isOwned: Bool) {
        self.state.withLock { $0.frames.append(Array(frame.readableBytesView)) }
    }

    func closed(_ reason: WeirError) { self.state.withLock { $0.reason = reason } }
}

@Suite(.timeLimit(.minutes(2))) struct TCPTransportTests {
    private func frame(_ length: Int, _ correlation: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        FrameHeader(.pingAnswer, length: length, correlation: correlation).encode(into: &writer)
        writer.append([UInt8](repeating: UInt8(truncatingIfNeeded: correlation), count: length))
        return writer.bytes
    }

    @Test func framesComeBackWholeAndInOrder() async throws {
        let server = try await EchoServer()
        let transport = TCPTransport(host: "127.0.0.1", port: server.port, threads: 1)
        let collector = Collector()
        let connection = try await transport.connect(to: collector, timeout: .seconds(5))
        let frames = (0..<300).map { self.frame($0 == 0 ? 16 : ($0 * 7919) % 90_000, UInt64($0)) }
        for frame in frames { connection.send(ByteBuffer(bytes: frame)) }
        await eventually { collector.state.withLock { $0.frames.count } == frames.count }
        #expect(collector.state.withLock { $0.frames } == frames)
        connection.close()
        await eventually { collector.state.withLock { $0.reason } != nil }
        try await server.stop()
        await transport.shutdown()
    }

    @Test func anEndOfTheServerIsHeard() async throws {
        let server = try await EchoServer()
        let transport = TCPTransport(host: "127.0.0.1", port: server.port, threads: 1)
        let collector = Collector()
        _ = try await transport.connect(to: collector, timeout: .seconds(5))
        try await server.stop()
        await eventually { collector.state.withLock { $0.reason } != nil }
        #expect(collector.state.withLock { $0.reason?.code } == .unavailable)
        await transport.shutdown()
    }

    @Test func aPortWhereNobodyListensIsUnavailable() async throws {
        let held = try HeldPort()
        let port = held.port
        await #expect {
            _ = try await WeirClient.connect(host: "127.0.0.1", port: port)
        } throws: { error in
            (error as? WeirError)?.code == .unavailable && "\(error)".contains("127.0.0.1:\(port)")
        }
    }

    @Test func whatDoesNotSpeakTheProtocolIsNotTalkedTo() async throws {
        // An echo of Hello is a request, which no server sends.
        let server = try await EchoServer()
        // Longer than any busy machine takes: what is asked here is not how fast it is told.
        let patient = ClientConfiguration(host: "127.0.0.1", port: server.port, connectTimeout: .seconds(60))
        await #expect {
            _ = try await WeirClient.connect(patient)
        } throws: {
            ($0 as? WeirError)?.code == .malformedRequest
        }
        try await server.stop()
    }

    @Test func closingWhileSomebodyConnectsEndsBothWell() async throws {
        let server = try await EchoServer()
        for port in [server.port, 9] {
            for _ in 0..<50 {
                let transport = TCPTransport(host: "127.0.0.1", port: port, threads: 1)
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<4 {
                        group.addTask {
                            // As a producer does that has lost its server.
                            while true {
                                do {
                                    try await transport.connect(to: Collector(), timeout: .seconds(5)).close()
                                } catch let error as WeirError where error.verdict.retry == .never {
                                    break
                                } catch {}
                            }
                        }
                    }
                    group.addTask { await transport.shutdown() }
                }
            }
        }
        try await server.stop()
    }
}
