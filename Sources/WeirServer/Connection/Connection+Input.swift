// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirEngine
import WeirModel
import WeirProtocol

extension Connection {
    /// Bytes have arrived. Whole frames are handled where they lie.
    func receive(_ buffer: ByteBuffer) {
        let taken = buffer.withUnsafeReadableBytes { raw in
            let consumed = self.consume(raw)
            // The puts lie in this buffer: they are copied into the log before it is given back.
            self.commitPuts()
            if consumed < raw.count, self.isOpen {
                self.heldInput = ByteBuffer(bytes: raw.slice(consumed, raw.count - consumed))
            }
            return consumed
        }
        // While the server itself does not read, the client is not to blame.
        let arrived = self.isOpen && !self.input.isPaused ? self.input.assembly.arrived : nil
        self.session.bytesReceived(taken, ofFrame: arrived, now: self.node.nowMillis)
    }

    /// Returns how many bytes were taken: fewer than there are only when no more may be taken now.
    private func consume(_ raw: UnsafeRawBufferPointer) -> Int {
        var offset = 0
        while offset < raw.count {
            guard case .open = self.phase, !self.input.isPaused else { return offset }
            let rest = raw.slice(offset, raw.count - offset)
            switch self.input.assembly.state {
            case .payload, .skipping:
                let taken = self.input.assembly.takePayload(rest)
                offset += taken
                self.growFrame(more: rest.count - taken)
                self.finishFrame()
            case .header:
                let (taken, header) = self.input.assembly.takeHeader(rest)
                offset += taken
                if let header { offset += self.begin(header, rest.slice(taken, rest.count - taken)) }
            case .between:
                guard let header = try? FrameHeader(reading: rest) else {
                    offset += self.input.assembly.takeHeader(rest).taken
                    break
                }
                offset += FrameHeader.bytes
                offset += self.begin(header, rest.slice(FrameHeader.bytes, rest.count - FrameHeader.bytes))
            }
        }
        return offset
    }

    /// A header is there, and as much of the payload and of what follows as `rest`. Returns what was taken of it.
    private func begin(_ header: FrameHeader, _ rest: UnsafeRawBufferPointer) -> Int {
        switch self.session.headerReceived(header) {
        case .take(let type):
            if header.length <= rest.count {
                self.handle(type, header, rest.slice(0, header.length))
                return header.length
            }
            guard self.gather(header, type, arrived: rest.count) else {
                self.refuseForMemory(type, header)
                return self.skip(header, rest)
            }
            return self.input.assembly.takePayload(rest)
        case .refuse(let error):
            self.answer(.none, error, header.correlation)
            return self.skip(header, rest)
        case .refusePut(let error):
            self.refusePut(error, header)
            return self.skip(header, rest)
        case .ignore: return rest.count
        case .close(let error):
            self.closeAfterViolation(error)
            return rest.count
        }
    }

    private func skip(_ header: FrameHeader, _ rest: UnsafeRawBufferPointer) -> Int {
        self.input.assembly.skip(header.length)
        return self.input.assembly.takePayload(rest)
    }

    /// Takes memory for what is there of the frame and some more, if the node has it. Short requests are always taken.
    private func gather(_ header: FrameHeader, _ type: FrameType, arrived: Int) -> Bool {
        let capacity = FrameAssembly.capacity(length: header.length, arrived: arrived)
        if let budget = self.budget(type, header.length), !budget.reserve(capacity) { return false }
        self.input.assembly.begin(header, type, in: self.loop.frames.take(capacity), capacity: capacity)
        return true
    }

    /// Takes more memory for a frame that has filled its own, or refuses it. `more`: bytes that are there behind it.
    private func growFrame(more: Int) {
        guard let frame = self.input.assembly.full else { return }
        let length = frame.header.length
        let capacity = FrameAssembly.capacity(length: length, arrived: frame.have + more)
        let budget = self.budget(frame.type, length)
        if budget?.reserve(capacity - frame.capacity) ?? true {
            if let before = self.input.assembly.grow(into: self.loop.frames.take(capacity), capacity: capacity) {
                self.loop.frames.giveBack(before)
            }
        } else {
            self.dropFrame()
            self.refuseForMemory(frame.type, frame.header)
            self.input.assembly.skip(length - frame.have, after: frame.have)
        }
    }

    /// What a frame that comes in pieces is counted by. Puts cannot take the room of signs of life.
    private func budget(_ type: FrameType, _ length: Int) -> MemoryBudget? {
        if type == .putRecords { return self.node.frameMemory }
        return length > FrameType.plainRequestBytesMax ? self.node.listMemory : nil
    }

    private func refuseForMemory(_ type: FrameType, _ header: FrameHeader) {
        guard type == .putRecords else {
            return self.answer(
                .none,
                WeirError(
                    .unavailable,
                    "no memory for a request of \(header.length) bytes now: \(self.node.listMemory.reservedBytes) of "
                        + "\(self.node.listMemory.bytesMax) bytes are in use for others"), header.correlation)
        }
        self.session.putFinished(bytes: header.length)
        self.refusePut(
            WeirError(
                .unavailable,
                "no memory for a put of \(header.length) bytes now: \(self.node.frameMemory.reservedBytes) of "
                    + "\(self.node.frameMemory.bytesMax) bytes are in use for others"), header)
    }

    /// Refused before it was read.
    private func refusePut(_ error: WeirError, _ header: FrameHeader) {
        self.lane.puts.refuse(error, correlation: header.correlation, creditBytes: nil)
        if self.lane.puts.isFull { self.commitPuts() }
    }

    /// A frame that came in pieces may be whole now.
    private func finishFrame() {
        guard let (header, type, memory) = self.input.assembly.finish() else { return }
        // Only the first frame of what was read can come from pieces, so nothing is held yet.
        precondition(self.input.frame == nil, "two frames are held")
        self.input.frame = HeldFrame(memory: memory, length: header.length, budget: self.budget(type, header.length))
        self.handle(type, header, UnsafeRawBufferPointer(rebasing: memory[..<header.length]))
        if type != .putRecords { self.giveBackFrame() }
    }

    private func giveBackFrame() {
        guard let held = self.input.frame else { return }
        self.input.frame = nil
        self.loop.frames.giveBack(held.memory)
        held.budget?.release(held.length)
    }

    /// Forgets what has not been taken up.
    func dropInput() {
        self.dropFrame()
        self.heldInput = nil
    }

    private func dropFrame() {
        guard let frame = self.input.assembly.abandon() else { return }
        self.loop.frames.giveBack(frame.memory)
        self.budget(frame.type, frame.header.length)?.release(frame.capacity)
    }

    /// The bytes that follow cannot be told apart: what is under way before them is finished first.
    private func closeAfterViolation(_ error: WeirError) {
        self.commitPuts()
        self.close(error)
    }

    // MARK: Frames

    private func handle(_ type: FrameType, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
        switch type {
        case .putRecords:
            self.lane.puts.add(correlation: header.correlation, payload: payload)
            if self.lane.puts.isFull { self.commitPuts() }
        case .hello: self.handleHello(header, payload)
        case .ping: self.handlePing(header, payload)
        case .credit: self.handleCredit(payload)
        default:
            // What was put before is in the log before a later request looks at it.
            self.commitPuts()
            self.serve(type, header.correlation, payload)
        }
    }

    private func handleHello(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
        switch self.session.helloReceived(payload: payload, serverTimeMillis: self.node.clock.wallMillis) {
        case .accept(let hello, let answer): self.greet(hello, answer, correlation: header.correlation)
        case .close(let error): self.close(error)
        }
    }

    private func handlePing(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
        do {
            _ = try Ping(request: payload)
            let answer = PingAnswer(serverTimeMillis: self.node.clock.wallMillis)
            self.answer(.none, answer.frame(.pingAnswer, correlation: header.correlation))
        } catch {
            self.answer(.none, error, header.correlation)
        }
    }

    /// Credit has no answer, so a wrong one cannot be told: the connection is closed.
    private func handleCredit(_ payload: UnsafeRawBufferPointer) {
        do {
            let credit = try Credit(payload: payload)
            self.grant(credit)
        } catch {
            self.closeAfterViolation(WeirError(.malformedRequest, "Credit: \(error.description)"))
        }
    }

    // MARK: Puts

    /// Appends the puts that have been gathered, and notes their answers.
    func commitPuts() {
        guard !self.lane.puts.isEmpty else { return self.giveBackFrame() }
        self.noteAnswers(self.lane.commitPuts(of: self.caller))
        self.lane.puts.removeAll()
        self.giveBackFrame()
        self.answersAdded()
    }

    private func noteAnswers(_ isSettled: Bool) {
        let lane = self.lane
        for position in lane.puts.requests.indices {
            let request = lane.puts.requests[position]
            if !isSettled {
                self.answer(.none, Self.recovering, request.correlation, putBytes: request.creditBytes)
            } else if request.failure >= 0 {
                let error = lane.puts.failures[request.failure]
                self.answer(request.mark, error, request.correlation, putBytes: request.creditBytes)
            } else {
                let length = lane.puts.answerLength(request)
                self.output.pending.append(request.mark, length: length, putBytes: request.creditBytes) { raw in
                    lane.puts.writeAnswer(request, to: raw)
                }
            }
        }
    }

    private static let recovering = WeirError(.unavailable, "the node is recovering from a failed write")
}

extension PutBatch {
    /// Takes a put whose bytes have arrived whole.
    mutating func add(correlation: UInt64, payload: UnsafeRawBufferPointer) {
        let view: PutRecordsView
        do {
            view = try PutRecordsView(payload: payload)
        } catch {
            return self.refuse(
                WeirError(.malformedRequest, "PutRecords: \(error.description)"), correlation: correlation,
                creditBytes: payload.count)
        }
        self.beginPut(
            view.header, correlation: correlation, creditBytes: payload.count, recordCount: view.recordCount,
            isRoutedByServer: view.isRoutedByServer)
        for group in view.groups { self.add(group.body, for: group.shard) }
        self.endPut()
    }
}
