// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirEngine
import WeirLog
import WeirModel
import WeirProtocol

/// What is sent: answers when the log lets them go, and whatever else, with one flush for a turn of the loop.
extension Connection {
    var hasAnswersPending: Bool { !self.output.pending.isEmpty }

    /// An answer that may be given once `mark` is reached.
    func answer(_ mark: Mark, _ frame: [UInt8], putBytes: Int? = nil) {
        guard self.isOpen else { return }
        self.output.pending.append(mark, frame: frame, putBytes: putBytes)
        self.answersAdded()
    }

    func answer(_ mark: Mark, _ error: WeirError, _ correlation: UInt64, putBytes: Int? = nil) {
        self.lane.counters.count(error: error.code)
        self.answer(mark, ErrorAnswer(error: error).frame(correlation: correlation), putBytes: putBytes)
    }

    /// Writes what may be written, and waits for the rest.
    func answersAdded() { self.lane.awaitDurable(self.caller) }

    /// Writes the answers that the log has let go, and errors instead of those that it has lost. Returns whether none
    /// is left; otherwise the lane asks again.
    func releaseAnswers() -> Bool {
        while let segment = self.output.pending.popSettled(self.lane.watermark, reason: self.lane.failureReason) {
            self.write(segment)
        }
        self.caller.holdings.set(.waiting, self.output.pending.heldBytes)
        if self.hasParked { self.resumeSoon() }
        if self.output.pending.isEmpty { self.closeWhenDrained() }
        return self.output.pending.isEmpty
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
        // Records are counted by the memory for reads; they come with a promise.
        if promise == nil {
            self.caller.holdings.change(.unread, by: frames.readableBytes)
            if self.leavesTooMuchUnread { self.pauseInput() }
        }
        context.write(self.wrapOutboundOut(frames), promise: promise)
        if !self.output.needsFlush {
            self.output.needsFlush = true
            self.loop.willFlush(self)
        }
        if !context.channel.isWritable { self.checkUnread(context) }
    }

    /// So much may be written before it is looked at what of it is still there.
    private static let uncountedBytesMax = 16 << 10

    /// What the client leaves unread, records left out: those are only written while the channel is writable, and the
    /// memory for reads counts them.
    func checkUnread(_ context: ChannelHandlerContext) {
        guard let waiting = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes) else { return }
        let own = max(0, waiting - self.output.recordBytes)
        self.caller.holdings.set(.unread, own)
        let allowed = self.node.configuration.answerBytesMax
        if own > allowed {
            self.close(
                WeirError(
                    .limitExceeded,
                    "the client does not read its answers: \(own) bytes wait for it, at most \(allowed) may"))
        } else if self.leavesTooMuchUnread {
            self.pauseInput()
        } else if self.input.isPaused {
            self.resumeSoon()
        }
    }

    /// All connections together hold what they may, and this one does not read what it was sent.
    private var leavesTooMuchUnread: Bool {
        self.caller.holdings[.unread] > Holdings.ownBytes && !self.caller.holdings.mayGrow
    }

    /// Takes no more requests, not even to refuse them, until the client has read its answers.
    private func pauseInput() {
        guard !self.input.isPaused, case .open = self.phase else { return }
        self.input.isPaused = true
        self.setReading(false)
    }

    private func resumeInput() {
        guard self.input.isPaused, !self.leavesTooMuchUnread, case .open = self.phase else { return }
        self.input.isPaused = false
        self.receiveHeld()
        if case .open = self.phase, !self.input.isPaused { self.setReading(true) }
    }

    func flushNow() {
        guard self.output.needsFlush else { return }
        self.output.needsFlush = false
        guard let context else { return }
        context.flush()
        if self.caller.holdings[.unread] > Self.uncountedBytesMax || self.input.isPaused, self.isOpen {
            self.checkUnread(context)
        }
    }

    // MARK: Going on

    func resumeSoon() {
        guard !self.output.isResuming else { return }
        self.output.isResuming = true
        self.loop.resumeSoon(self)
    }

    /// The client has read on: what waited for that.
    func resume() {
        self.output.isResuming = false
        guard self.isOpen else { return }
        self.resumeInput()
        guard self.isOpen else { return }
        self.serveParked()
        guard self.isOpen else { return }
        self.lane.sinkHasRoom(self.caller)
        self.closeWhenDrained()
    }
}
