// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirCatalog
import WeirEngine
import WeirModel
import WeirProtocol

/// The subscriptions of one connection, by the numbers that its client knows.
struct Subscriptions {
    private var readings: [UInt32: UInt64] = [:]
    private var lastID: UInt32 = 0

    mutating func nextID() -> UInt32 {
        self.lastID += 1
        return self.lastID
    }

    /// Whether the connection ever had it.
    func wasGivenOut(_ id: UInt32) -> Bool { id > 0 && id <= self.lastID }

    /// The engine's subscription; `nil` when it is over.
    subscript(id: UInt32) -> UInt64? {
        get { self.readings[id] }
        set { self.readings[id] = newValue }
    }
}

/// Turns the records of one subscription into pushes.
final class SubscriptionPush: RecordSink {
    private let connection: Connection
    private let id: UInt32

    init(_ connection: Connection, _ id: UInt32) {
        self.connection = connection
        self.id = id
    }

    func push(_ found: FoundRecords) {
        if found.endOfShard != nil { self.connection.subscriptions[self.id] = nil }
        self.connection.send(found, RecordsHeader(found).pushHead(subscription: self.id))
    }

    func ended(_ error: WeirError) {
        self.connection.subscriptions[self.id] = nil
        self.connection.write(ByteBuffer(bytes: SubscriptionEnded(subscription: self.id, error: error).frame()))
    }
}

extension Connection {
    func subscribe(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        let request: Subscribe
        let call: ReadCall
        do throws(WeirError) {
            request = try Subscribe(request: payload)
            call = .pushed(
                ShardRef(stream: request.stream, shard: request.shard),
                try Reader(quoting: request.lease, of: request.stream, consumer: try request.consumer?.get()))
        } catch {
            return self.answer(.none, error, correlation)
        }
        let credit = SubscriptionCredit(bytes: request.creditBytes)
        self.locate(request.start, call) { [self] result in
            switch result {
            case .success(let index): self.begin(call, at: index, credit, correlation)
            case .failure(let error): self.answer(.none, error, correlation)
            }
        } refused: { [self] error, mark in
            self.answer(mark, error, correlation)
        }
    }

    /// The answer goes first, so that the client knows what the pushes belong to.
    private func begin(_ call: ReadCall, at index: UInt64, _ credit: SubscriptionCredit, _ correlation: UInt64) {
        do throws(WeirError) {
            if let ending = self.session.ending { throw ending }
            guard self.isOpen else { throw Self.goingDown }
            let id = self.subscriptions.nextID()
            let reading = try self.lane.subscribe(
                call, from: index, credit: credit, self.caller, to: SubscriptionPush(self, id))
            self.subscriptions[id] = reading
            let answer = SubscribeAnswer(subscription: id)
            self.answer(.none, answer.frame(.subscribeAnswer, correlation: correlation))
            self.lane.startPushing(reading)
        } catch {
            self.answer(.none, error, correlation)
        }
    }

    func unsubscribe(_ correlation: UInt64, _ payload: UnsafeRawBufferPointer) {
        do throws(WeirError) {
            let request = try Unsubscribe(request: payload)
            guard self.subscriptions.wasGivenOut(request.subscription) else {
                throw WeirError(
                    .invalidArgument, "subscription \(request.subscription) does not exist on this connection")
            }
            // It may be over, and its end have crossed the request.
            if let reading = self.subscriptions[request.subscription] { self.lane.unsubscribe(reading) }
            self.subscriptions[request.subscription] = nil
            self.answer(.none, Empty().frame(.unsubscribeAnswer, correlation: correlation))
        } catch {
            self.answer(.none, error, correlation)
        }
    }

    func grant(_ credit: Credit) {
        if let reading = self.subscriptions[credit.subscription] { self.lane.grant(credit.bytes, to: reading) }
    }

    /// The node goes down, or the client has ended its input: long polls and heartbeats are answered, subscriptions
    /// end.
    func endAllReading(_ error: WeirError) {
        self.lane.endReading(of: self.caller, error)
        self.answerHeartbeats()
    }
}
