// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol

/// A heartbeat that waits for news.
struct HeartbeatUnderWay {
    let id: UInt64
    let correlation: UInt64
    /// Without its measurements, which were taken when it came.
    let request: Heartbeat
    let ref: ApplicationRef
    let owner: LeaseOwner
    let deadlineNanos: UInt64
    /// It stands among those that wait for room for their answer.
    var isParked = false
}

/// The calls of workers and of those who look after them. A heartbeat is answered when something changes for the
/// worker, or when it has waited for as long as it asked.
extension Connection {
    /// Calls of groups, leases and consumers; false for every other type.
    func serveGroups(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) -> Bool {
        let groups = self.node.groups
        switch type {
        case .joinGroup: self.call(correlation, payload) { groups.join($0).map { JoinGroupAnswer($0) } }
        case .checkpoint: self.call(correlation, payload) { groups.checkpoint($0).map { Empty() } }
        case .handOver: self.call(correlation, payload) { groups.handOver($0).map { Empty() } }
        case .leaveGroup: self.call(correlation, payload) { groups.leave($0).map { Empty() } }
        case .listLeases: self.call(correlation, payload, groups.leases)
        case .resetLeases:
            self.call(correlation, payload) { groups.reset($0, features: self.session.features) }
        case .listApplications: self.call(correlation, payload, groups.applications)
        case .deleteApplication: self.call(correlation, payload, groups.delete)
        case .registerConsumer: self.call(correlation, payload, groups.register)
        case .deregisterConsumer:
            self.call(correlation, payload) { (request: DeregisterConsumer) in
                let told = groups.deregister(request)
                if case .success = told.value, let name = try? request.consumerName() {
                    self.node.deregistered(name, of: request.stream, told.mark)
                }
                return told
            }
        case .listConsumers: self.call(correlation, payload, groups.consumers)
        default: return false
        }
        return true
    }

    private func call<Request: WireCall>(
        _ correlation: UInt64, _ payload: UnsafeRawBufferPointer,
        _ body: (Request) -> GroupRegistry.Told<Request.Answer>
    ) {
        let request: Request
        do {
            request = try Request(request: payload)
        } catch {
            return self.answer(.none, error, correlation)
        }
        let told = body(request)
        self.loop.learn(told.watermark)
        switch told.value {
        case .success(let answer):
            self.answer(told.mark, Request.answerFrame(answer, correlation: correlation))
        case .failure(let error): self.answer(told.mark, error, correlation)
        }
    }

    // MARK: Heartbeats

    func heartbeat(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        do throws(WeirError) {
            let request = try Heartbeat(request: payload)
            guard self.heartbeats.count < self.node.configuration.waitingRequestsMax else {
                throw self.tooManyWait(self.heartbeats.count)
            }
            guard self.holdings.mayGrow else { throw self.noMemoryToWait }
            try self.node.takeWaiter()
            self.lastHeartbeat += 1
            let underWay = HeartbeatUnderWay(
                id: self.lastHeartbeat, correlation: correlation, request: request.withoutMeasurements,
                ref: ApplicationRef(stream: request.member.stream, name: try request.member.applicationName()),
                owner: try request.member.owner(),
                deadlineNanos: self.node.clock.monotonicNanos + UInt64(request.waitMillis) * 1_000_000)
            self.heartbeats[underWay.id] = underWay
            self.lookAt(underWay, news: request)
        } catch {
            self.answer(.none, error, correlation)
        }
    }

    /// Answers a heartbeat, or lets it wait on.
    func continueHeartbeat(_ id: UInt64) {
        guard self.isOpen, let underWay = self.heartbeats[id] else { return }
        self.lookAt(underWay)
        self.loop.flush()
    }

    /// `news`: the request as it has just come.
    private func lookAt(_ underWay: HeartbeatUnderWay, news: Heartbeat? = nil) {
        let id = underWay.id
        guard self.mayAnswerHeartbeat else { return self.park(underWay, news: news) }
        let mayWait = underWay.deadlineNanos > self.node.clock.monotonicNanos && !self.isGoingDown
        let handle = mayWait ? self.loop.handle(of: self) : nil
        let told = self.node.groups.heartbeat(
            news ?? underWay.request, isNew: news != nil, waiting: handle.map { ($0, id) })
        self.loop.learn(told.watermark)
        switch told.value {
        case .success(nil) where handle != nil:
            return self.loop.wait(.heartbeat(connection: self.id, id), for: nil, until: underWay.deadlineNanos)
        case .success(let assignment):
            let unchanged = Assignment(version: underWay.request.seenVersion, leases: nil)
            let answer = HeartbeatAnswer(assignment ?? unchanged)
            self.answer(told.mark, answer.frame(.heartbeatAnswer, correlation: underWay.correlation))
        case .failure(let error): self.answer(told.mark, error, underWay.correlation)
        }
        self.node.groups.stopWaiting(underWay.ref, underWay.owner, id, of: self.id)
        self.forgetHeartbeat(id)
    }

    /// There is no room for an answer: that the worker lives is noted now, and what there is for it is told later.
    private func park(_ underWay: HeartbeatUnderWay, news: Heartbeat?) {
        if let news {
            let told = self.node.groups.heard(news)
            self.loop.learn(told.watermark)
            if case .failure(let error) = told.value {
                self.answer(told.mark, error, underWay.correlation)
                return self.forgetHeartbeat(underWay.id)
            }
        }
        guard !(self.heartbeats[underWay.id]?.isParked ?? true) else { return }
        self.heartbeats[underWay.id]?.isParked = true
        self.parkedHeartbeats.append(underWay.id)
    }

    func answerParkedHeartbeat(_ id: UInt64) {
        guard var underWay = self.heartbeats[id] else { return }
        underWay.isParked = false
        self.heartbeats[id] = underWay
        self.lookAt(underWay)
    }

    private func forgetHeartbeat(_ id: UInt64) {
        guard self.heartbeats.removeValue(forKey: id) != nil else { return }
        self.loop.stopWaiting(.heartbeat(connection: self.id, id))
        self.node.releaseWaiter()
    }

    /// The node goes down: heartbeats are answered with what there is.
    func answerHeartbeats() {
        for id in self.heartbeats.keys.sorted() { self.continueHeartbeat(id) }
    }

    /// The connection ends.
    func endHeartbeats() {
        for underWay in self.heartbeats.values {
            self.node.groups.disconnected(underWay.ref, underWay.owner, underWay.id, of: self.id)
        }
        for id in Array(self.heartbeats.keys) { self.forgetHeartbeat(id) }
    }
}
