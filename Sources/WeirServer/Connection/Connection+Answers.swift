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
        self.holdings.set(.waiting, self.pending.heldBytes)
        if self.hasParked { self.resumeSoon() }
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
        // Records are counted by the memory for reads; they come with a promise.
        if promise == nil {
            self.holdings.change(.unread, by: frames.readableBytes)
            if self.leavesTooMuchUnread { self.pauseInput() }
        }
        context.write(self.wrapOutboundOut(frames), promise: promise)
        if !self.needsFlush {
            self.needsFlush = true
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
        let own = max(0, waiting - self.reads.bytesOnTheWay)
        self.holdings.set(.unread, own)
        let allowed = self.node.configuration.answerBytesMax
        if own > allowed {
            self.close(
                WeirError(
                    .limitExceeded,
                    "the client does not read its answers: \(own) bytes wait for it, at most \(allowed) may"))
        } else if self.leavesTooMuchUnread {
            self.pauseInput()
        } else if self.isInputPaused {
            self.resumeSoon()
        }
    }

    /// All connections together hold what they may, and this one does not read what it was sent.
    private var leavesTooMuchUnread: Bool {
        self.holdings[.unread] > Holdings.ownBytes && !self.holdings.mayGrow
    }

    /// Takes no more requests, not even to refuse them, until the client has read its answers.
    private func pauseInput() {
        guard !self.isInputPaused, case .open = self.phase else { return }
        self.isInputPaused = true
        self.setReading(false)
    }

    private func resumeInput() {
        guard self.isInputPaused, !self.leavesTooMuchUnread, case .open = self.phase else { return }
        self.isInputPaused = false
        let held = self.heldInput
        self.heldInput = nil
        if let held { self.receive(held) }
        if case .open = self.phase, !self.isInputPaused { self.setReading(true) }
    }

    func flushNow() {
        guard self.needsFlush else { return }
        self.needsFlush = false
        guard let context else { return }
        context.flush()
        if self.holdings[.unread] > Self.uncountedBytesMax || self.isInputPaused, self.isOpen {
            self.checkUnread(context)
        }
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
        self.resumeInput()
        guard self.isOpen else { return }
        self.serveParked()
        guard self.isOpen else { return }
        self.pumpBlocked()
        self.closeWhenDrained()
    }
}
