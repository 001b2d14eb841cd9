// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirLog
import WeirModel
import WeirProtocol

/// What is sent: answers when the log lets them go, and whatever else, with one flush for a turn of the loop.
extension Connection {
    var hasAnswersPending: Bool { !self.pending.isEmpty }

    /// An answer that may be given once `mark` is reached.
    func answer(_ mark: Mark, _ frame: [UInt8], putBytes: Int? = nil) {
        guard self.isOpen else { return }
        self.pending.append(mark, frame: frame, putBytes: putBytes)
        self.answersAdded()
    }

    func answer(_ mark: Mark, _ error: WeirError, _ correlation: UInt64, putBytes: Int? = nil) {
        self.loop.counters.count(error: error.code)
        self.answer(mark, ErrorAnswer(error: error).frame(correlation: correlation), putBytes: putBytes)
    }

    /// Writes what may be written, and waits for the rest.
    func answersAdded() {
        if !self.releaseAnswers(), !self.isAwaitingDurable {
            self.isAwaitingDurable = true
            self.loop.awaitDurable(self)
        }
    }

    /// Writes the answers that the log has let go, and errors instead of those that it has lost. Returns whether none
    /// is left; otherwise the loop asks again.
    func releaseAnswers() -> Bool {
        while let segment = self.pending.popSettled(self.loop.watermark, reason: self.loop.failureReason) {
            self.write(segment)
        }
        if self.pending.isEmpty {
            self.isAwaitingDurable = false
            self.closeWhenDrained()
        }
        return self.pending.isEmpty
    }

    func write(_ segment: PendingAnswers.Segment) {
        if segment.puts > 0 {
            self.session.putFinished(bytes: segment.putBytes)
            for _ in 1..<segment.puts { self.session.putFinished(bytes: 0) }
        }
        self.write(segment.frames)
    }

    /// Writes whole frames; `promise` ends when they have left or the connection has.
    func write(_ frames: ByteBuffer, promise: EventLoopPromise<Void>? = nil) {
        guard let context, self.isOpen else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(self.wrapOutboundOut(frames), promise: promise)
        if !self.needsFlush {
            self.needsFlush = true
            self.loop.willFlush(self)
        }
        if !context.channel.isWritable { self.checkUnread(context) }
    }

    func checkUnread(_ context: ChannelHandlerContext) {
        let allowed = self.node.configuration.answerBytesMax
        guard let waiting = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes), waiting > allowed
        else {
            return
        }
        // Large answers are only written while the channel is writable, so these are many small ones.
        let own = waiting - self.reads.bytesOnTheWay
        guard own > allowed else { return }
        self.close(
            WeirError(
                .limitExceeded,
                "the client does not read its answers: \(own) bytes wait for it, at most \(allowed) may"))
    }

    func flushNow() {
        guard self.needsFlush else { return }
        self.needsFlush = false
        self.context?.flush()
    }

    // MARK: Going on

    func resumeSoon() {
        guard !self.isResuming else { return }
        self.isResuming = true
        self.loop.resumeSoon(self)
    }

    /// The client has read on: what waited for that.
    func resume() {
        self.isResuming = false
        guard self.isOpen else { return }
        self.serveParked()
        self.pumpBlocked()
        self.closeWhenDrained()
    }
}
