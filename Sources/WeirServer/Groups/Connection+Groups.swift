// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirCatalog
import WeirEngine
import WeirModel
import WeirProtocol
import WeirStorage

/// A heartbeat that waits for news.
struct HeartbeatUnderWay {
    let id: UInt64
    let correlation: UInt64
    let worker: WorkerRef
    let seenVersion: UInt64
    let deadlineNanos: UInt64
    /// It stands among those that wait for room for their answer.
    var isParked = false
}

/// The heartbeats of one connection that wait.
struct Heartbeats {
    private var waiting: [UInt64: HeartbeatUnderWay] = [:]
    /// Those of them that could be answered, once there is room for the answer.
    var parked = CircularBuffer<UInt64>()
    private var last: UInt64 = 0

    var count: Int { self.waiting.count }
    var isEmpty: Bool { self.waiting.isEmpty }
    var all: [HeartbeatUnderWay] { self.waiting.values.sorted { $0.id < $1.id } }

    mutating func nextID() -> UInt64 {
        self.last += 1
        return self.last
    }

    subscript(id: UInt64) -> HeartbeatUnderWay? {
        get { self.waiting[id] }
        set { self.waiting[id] = newValue }
    }
}

/// The calls of workers and of those who look after them. A heartbeat is answered when something changes for the
/// worker, or when it has waited for as long as it asked.
extension Connection {
    /// Calls of groups, leases and consumers; false for every other type.
    func serveGroups(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) -> Bool {
        let applications = self.node.engine.applications
        switch type {
        case .joinGroup:
            self.call(correlation, payload) { (request: JoinGroup) throws(WeirError) in
                applications.join(
                    try request.member.ref(), sessionTimeoutMillis: request.sessionTimeoutMillis, from: request.from
                ).map { JoinGroupAnswer($0) }
            }
        case .checkpoint:
            self.call(correlation, payload) { (request: SaveCheckpoint) throws(WeirError) in
                applications.checkpoint(
                    try request.member.ref(), request.shard, counter: request.counter, request.checkpoint
                ).map { Empty() }
            }
        case .saveLeaseState:
            self.call(correlation, payload) { (request: SaveLeaseState) throws(WeirError) in
                applications.saveState(
                    try request.member.ref(), request.shard, counter: request.counter, request.state,
                    replaces: request.replaces
                ).map { Empty() }
            }
        case .leaseState:
            self.call(correlation, payload) { (request: ReadLeaseState) throws(WeirError) in
                applications.state(try request.member.ref(), request.shard, counter: request.counter)
                    .map { LeaseStateAnswer(state: $0) }
            }
        case .handOver:
            self.call(correlation, payload) { (request: HandOver) throws(WeirError) in
                applications.handOver(try request.member.ref(), request.shard, counter: request.counter)
                    .map { Empty() }
            }
        case .leaveGroup:
            self.call(correlation, payload) { (request: LeaveGroup) throws(WeirError) in
                applications.leave(try request.member.ref()).map { Empty() }
            }
        case .registerConsumer:
            self.call(correlation, payload) { (request: RegisterConsumer) throws(WeirError) in
                applications.register(try request.consumer.get(), of: request.stream)
                    .map { RegisterConsumerAnswer(createdAtMillis: $0) }
            }
        case .deregisterConsumer:
            self.call(correlation, payload) { (request: DeregisterConsumer) throws(WeirError) in
                let name = try request.consumer.get()
                let told = applications.deregister(name, of: request.stream)
                if case .success = told.value { self.node.engine.deregistered(name, of: request.stream, told.mark) }
                return told.map { Empty() }
            }
        case .listConsumers:
            self.call(correlation, payload) { (request: ListConsumers) in
                applications.consumers(of: request.stream).map { ListConsumersAnswer(consumers: $0) }
            }
        default: return self.serveOperators(type, correlation, payload)
        }
        return true
    }

    private func serveOperators(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) -> Bool {
        let applications = self.node.engine.applications
        switch type {
        case .listLeases:
            self.call(correlation, payload) { (request: ListLeases) throws(WeirError) in
                let ref = ApplicationRef(stream: request.stream, name: try request.application.get())
                return applications.leases(
                    of: ref, after: request.after, limit: min(Int(request.limit), Wire.answerRowsMax)
                ).map { ListLeasesAnswer(leases: $0.leases, hasMore: $0.hasMore) }
            }
        case .resetLeases:
            self.call(correlation, payload) { (request: ResetLeases) throws(WeirError) in
                let ref = ApplicationRef(stream: request.stream, name: try request.application.get())
                let features = self.session.features
                return applications.reset(
                    ref,
                    ResetOrder(
                        shard: request.shard, target: request.target, isForced: request.isForced,
                        isDryRun: request.isDryRun, reason: request.reason)
                ).map { ResetLeasesAnswer(all: $0, features: features) }
            }
        case .listApplications:
            self.call(correlation, payload) { (request: ListApplications) in
                applications.applications(of: request.stream).map { ListApplicationsAnswer(applications: $0) }
            }
        case .deleteApplication:
            self.call(correlation, payload) { (request: DeleteApplication) throws(WeirError) in
                let ref = ApplicationRef(stream: request.stream, name: try request.application.get())
                return applications.delete(ref, isForced: request.isForced).map { Empty() }
            }
        default: return false
        }
        return true
    }

    private func call<Request: WireCall>(
        _ correlation: UInt64, _ payload: UnsafeRawBufferPointer,
        _ body: (Request) throws(WeirError) -> Told<Request.Answer>
    ) {
        self.reply(correlation) { () throws(WeirError) in
            try body(try Request(request: payload))
        } frame: {
            Request.answerFrame($0, correlation: correlation)
        }
    }

    // MARK: Heartbeats

    func heartbeat(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        do throws(WeirError) {
            let request = try Heartbeat(request: payload)
            guard self.heartbeats.count < self.node.configuration.waitingRequestsMax else {
                throw self.tooManyWait(self.heartbeats.count)
            }
            guard self.caller.holdings.mayGrow else { throw self.noMemoryToWait }
            let worker = try request.member.ref()
            try self.node.engine.takeWaiter()
            let underWay = HeartbeatUnderWay(
                id: self.heartbeats.nextID(), correlation: correlation, worker: worker,
                seenVersion: request.seenVersion,
                deadlineNanos: self.node.clock.monotonicNanos + UInt64(request.waitMillis) * 1_000_000)
            self.heartbeats[underWay.id] = underWay
            self.lookAt(underWay, news: request.measured.map { ($0.shard, $0.bytesPerSecond) })
        } catch {
            self.answer(.none, error, correlation)
        }
    }

    /// Answers a heartbeat, or lets it wait on.
    func continueHeartbeat(_ id: UInt64) {
        guard self.isOpen, let underWay = self.heartbeats[id] else { return }
        self.lookAt(underWay)
    }

    /// `news`: what the worker has measured, when the heartbeat has just come.
    private func lookAt(_ underWay: HeartbeatUnderWay, news: [Applications.Measured]? = nil) {
        let id = underWay.id
        guard self.mayAnswerHeartbeat else { return self.park(underWay, news: news) }
        let mayWait = underWay.deadlineNanos > self.node.clock.monotonicNanos && self.session.ending == nil
        let waiting = mayWait ? Applications.Waiting(lane: self.loop.host, caller: self.id, number: id) : nil
        let told = self.node.engine.applications.heartbeat(
            underWay.worker, seenVersion: underWay.seenVersion, news: news, waiting: waiting)
        self.lane.learn(told.watermark)
        switch told.value {
        case .success(nil) where mayWait: return self.lane.wait(self.caller, id, until: underWay.deadlineNanos)
        case .success(let assignment):
            let unchanged = Assignment(version: underWay.seenVersion, leases: nil)
            let answer = HeartbeatAnswer(assignment ?? unchanged)
            self.answer(told.mark, answer.frame(.heartbeatAnswer, correlation: underWay.correlation))
        case .failure(let error): self.answer(told.mark, error, underWay.correlation)
        }
        self.node.engine.applications.stopWaiting(underWay.worker, id, of: self.id)
        self.forgetHeartbeat(id)
    }

    /// There is no room for an answer: that the worker lives is noted now, and what there is for it is told later.
    private func park(_ underWay: HeartbeatUnderWay, news: [Applications.Measured]?) {
        if let news {
            let told = self.node.engine.applications.heard(underWay.worker, news)
            self.lane.learn(told.watermark)
            if case .failure(let error) = told.value {
                self.answer(told.mark, error, underWay.correlation)
                return self.forgetHeartbeat(underWay.id)
            }
        }
        guard !(self.heartbeats[underWay.id]?.isParked ?? true) else { return }
        self.heartbeats[underWay.id]?.isParked = true
        self.heartbeats.parked.append(underWay.id)
    }

    func answerParkedHeartbeat(_ id: UInt64) {
        guard var underWay = self.heartbeats[id] else { return }
        underWay.isParked = false
        self.heartbeats[id] = underWay
        self.lookAt(underWay)
    }

    private func forgetHeartbeat(_ id: UInt64) {
        guard self.heartbeats[id] != nil else { return }
        self.heartbeats[id] = nil
        self.lane.stopWaiting(self.caller, id)
        self.node.engine.releaseWaiter()
    }

    /// Nothing may wait any more: heartbeats are answered with what there is.
    func answerHeartbeats() {
        for underWay in self.heartbeats.all { self.continueHeartbeat(underWay.id) }
    }

    /// Nothing more comes from those who wait; they may come back with another connection.
    func noteCutOff() {
        for underWay in self.heartbeats.all {
            self.node.engine.applications.disconnected(underWay.worker, underWay.id, of: self.id)
        }
    }

    /// The connection ends.
    func endHeartbeats() {
        self.noteCutOff()
        for underWay in self.heartbeats.all { self.forgetHeartbeat(underWay.id) }
    }
}

extension Member {
    func ref() throws(WeirError) -> WorkerRef {
        WorkerRef(
            application: ApplicationRef(stream: self.stream, name: try self.application.get()),
            owner: try self.owner())
    }
}
