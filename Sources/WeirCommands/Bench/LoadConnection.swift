// SPDX-License-Identifier: Apache-2.0
import CWeir
import NIOCore
import WeirModel
import WeirProtocol

/// A connection of the load generator: says hello, then hands on what arrives. Lives on one event loop.
///
/// It does what the client does, without what makes the client safe and convenient: the processor's time belongs to the
/// server that is measured.
final class LoadConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Who hears from the connection.
    protocol Owner: AnyObject {
        func greeted(_ connection: LoadConnection, _ answer: HelloAnswer)
        /// A put was answered. `stored` records were, `refused` were not.
        func answered(
            _ connection: LoadConnection, slot: Int, stored: Int, refused: Int, error: WeirError?, now: UInt64)
        func failed(_ reason: Failure)
    }

    /// The correlation id of the put in slot 0; slots count up from there, and Hello has 1.
    static let firstCorrelation: UInt64 = 2

    private unowned let owner: any Owner
    private var context: ChannelHandlerContext?
    private var partial: ByteBuffer?
    private var isGreeted = false
    private var isClosing = false
    private var hasWritten = false
    /// Where the connection is among those of its owner.
    let number: Int

    init(_ owner: any Owner, number: Int) {
        self.owner = owner
        self.number = number
    }

    /// Queues a frame; it goes out with `flush`, or when what arrived has been handled.
    func send(_ frame: ByteBuffer) {
        self.hasWritten = true
        self.context?.write(self.wrapOutboundOut(frame), promise: nil)
    }

    func flush() {
        guard self.hasWritten else { return }
        self.hasWritten = false
        self.context?.flush()
    }

    func close() {
        self.isClosing = true
        self.context?.close(promise: nil)
    }

    // MARK: Events of the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        do throws(WeirError) {
            let hello = try Hello(clientName: "weir-bench \(Version.number)").frame(correlation: 1)
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: hello)), promise: nil)
        } catch {
            self.owner.failed(Failure(error))
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        if var partial = self.partial.take() {
            partial.discardReadBytes()
            partial.writeBuffer(&bytes)
            bytes = partial
        }
        let now = weir_monotonic_nanoseconds()
        let used = bytes.withUnsafeReadableBytes { self.handle($0, now) }
        bytes.moveReaderIndex(forwardBy: used)
        if bytes.readableBytes > 0 { self.partial = bytes }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !self.isClosing { self.fail("the server closed the connection") }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !self.isClosing { self.fail("the connection failed: \(LoadDialer.reason(error))") }
        context.close(promise: nil)
    }

    private func fail(_ sentence: String) {
        self.isClosing = true
        self.owner.failed(Failure(.tryAgain, sentence))
    }

    // MARK: Frames

    /// Handles the whole frames; returns how many bytes they have.
    private func handle(_ bytes: UnsafeRawBufferPointer, _ now: UInt64) -> Int {
        var offset = 0
        let phase: FrameScanner.Phase = self.isGreeted ? .open(frameBytesMax: Limits.frameBytesMax) : .beforeHello
        while !self.isClosing {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            guard case .frame(let header, let payload) = FrameScanner.next(in: rest, phase) else { break }
            self.handle(header, UnsafeRawBufferPointer(rebasing: rest[payload]), now)
            offset += header.totalLength
        }
        return offset
    }

    private func handle(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        let slot = Int(clamping: header.correlation) - Int(Self.firstCorrelation)
        switch header.type {
        case .putRecordsAnswer: self.handlePut(slot, payload, now)
        case .helloAnswer:
            do throws(MalformedBytes) {
                let answer = try HelloAnswer(payload: payload)
                self.isGreeted = true
                self.owner.greeted(self, answer)
            } catch {
                self.fail("the server's answer to Hello: \(error.description)")
            }
        case .error where slot >= 0:
            let error = (try? ErrorAnswer(payload: payload))?.error
            self.owner.answered(self, slot: slot, stored: 0, refused: 1, error: error, now: now)
        case .error, .closing:
            let error = (try? ErrorAnswer(payload: payload))?.error
            self.fail("the server refused the connection: \(error?.message ?? "without a reason")")
        default: self.fail("the server sent a frame of type \(header.rawType), which nobody asked for")
        }
    }

    /// Counts what was stored, without the checks of `PutRecordsAnswerView`.
    private func handlePut(_ slot: Int, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        guard payload.count >= PutRecordsAnswer.headerBytes else { return self.fail("a put's answer is cut short") }
        let entries = Int(payload.integer(UInt32.self, at: 8))
        guard payload.count >= PutRecordsAnswer.headerBytes + entries * PutRecordsAnswer.entryBytes else {
            return self.fail("a put's answer is cut short")
        }
        var (stored, refused) = (0, 0)
        var error: WeirError?
        for entry in 0..<entries {
            let offset = PutRecordsAnswer.headerBytes + entry * PutRecordsAnswer.entryBytes
            let status = payload.integer(UInt16.self, at: offset + 4)
            let count = Int(payload.integer(UInt32.self, at: offset + 8))
            if status == 0 {
                stored += count
            } else {
                refused += count
                error = error ?? (try? PutRecordsAnswerView(payload: payload))?[entry].error
            }
        }
        self.owner.answered(self, slot: slot, stored: stored, refused: refused, error: error, now: now)
    }
}
