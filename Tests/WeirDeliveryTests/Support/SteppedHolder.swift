// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirDelivery
import WeirModel

/// One holding of the lease of a `World`, which runs the protocol one effect, or one record, at a time: so that others
/// may come in between anywhere, and each history can be played again.
final class SteppedHolder {
    private enum Agenda {
        case record
        case again
        case due
        case settle
        case leave
        case left
    }

    private let world: World
    private let destination: ForgetfulDestination
    private let counter: UInt64
    private let batch: Int
    private let leaving: World.Leaving
    private var machine: DeliveryProtocol
    private var pending: DeliveryProtocol.Step
    private var agenda = Agenda.record
    private var parts: [DeliveryMachine.Slot: (name: String, file: any UnfinishedFile)] = [:]
    private var next: Int
    private var dice: Seeded

    /// Takes the lease.
    init(_ world: World, _ rules: DeliveryProtocol.Rules, batch: Int, _ leaving: World.Leaving, seed: UInt64) {
        self.world = world
        self.destination = ForgetfulDestination(folder: world.folder, fuse: Fuse(at: nil))
        self.counter = world.book.next()
        self.batch = batch
        self.leaving = leaving
        self.dice = Seeded(seed)
        self.machine = DeliveryProtocol(rules)
        let checkpoint = world.book.now.checkpoint
        switch checkpoint {
        case .sequenceNumber(let number, _): self.next = Int(number.index) + 1
        case .shardEnd: self.next = world.records.count
        default: self.next = 0
        }
        self.pending = self.machine.begin(
            .takeOver(from: checkpoint, counter: self.counter, life: self.dice.next()))
        if checkpoint == .shardEnd { self.pending = self.machine.ends(.stopped) }
    }

    /// Why it has ended; `nil`: it has not, or has done all.
    var end: DeliveryProtocol.End? { self.machine.end }

    /// False when there is nothing more to do.
    func step() -> Bool {
        switch self.pending {
        case .over: return false
        case .done: return self.advance()
        case .perform(let effect):
            do {
                self.pending = self.machine.handle(try self.perform(effect))
            } catch let error as WeirError where error.code == .invalidArgument {
                self.pending = self.machine.handle(.displaced(error))
            } catch let error as WeirError {
                self.pending = self.machine.ends(.failed(error))
            } catch {
                self.pending = self.machine.ends(.beginsAnew("\(error)"))
            }
            return true
        }
    }

    private func advance() -> Bool {
        let agenda = self.agenda
        switch agenda {
        case .record:
            guard self.next < self.world.records.count else {
                self.agenda = .leave
                return true
            }
            if self.machine.plan.mustFinish(before: UInt64(self.next)) {
                self.pending = self.machine.begin(.makeAgain)
                return true
            }
            self.take(UserRecord(self.world.records[self.next]))
            self.next += 1
            self.agenda = .again
        case .again:
            self.agenda = .due
            if self.machine.plan.hasReadAgain { self.pending = self.machine.begin(.makeAgain) }
        case .due:
            self.agenda = self.next % self.batch == 0 ? .settle : .record
            self.pending = self.machine.begin(.due(now: 1))
        case .settle:
            self.agenda = .record
            self.pending = self.machine.begin(.settle)
        case .leave:
            self.agenda = .left
            switch self.leaving {
            case .endsShard: self.pending = self.machine.begin(.endShard)
            case .finishes: self.pending = self.machine.begin(.finish)
            case .vanishes: break
            }
        case .left: return false
        }
        return true
    }

    private func take(_ record: UserRecord) {
        let number = record.sequenceNumber
        let pattern = self.machine.patterns.pattern(of: number.index)
        let partition = pattern.partition(millis: record.approximateArrivalMillis)
        let ends = self.machine.rules.notes ? pattern.period(of: partition)?.end ?? .max : 0
        switch self.machine.plan.place(number.index, partition.text) {
        case .delivered: self.machine.plan.pass(number)
        case .file(let slot):
            let bytes = record.data + [UInt8(ascii: "\n")]
            _ = self.machine.plan.take(
                slot, first: number, last: number, records: 1, bytes: UInt64(bytes.count), now: 1, ends: ends)
            do {
                if self.parts[slot] == nil {
                    let name = self.machine.nextUnfinished()
                    self.parts[slot] = (name, try self.destination.begin(name))
                }
                try bytes.withUnsafeBytes { try self.parts[slot]?.file.append($0) }
                self.machine.plan.stored(slot, bytes: self.parts[slot]?.file.stored.bytes ?? 0)
            } catch {
                self.pending = self.machine.ends(.beginsAnew("\(error)"))
            }
        }
    }

    private func perform(_ effect: DeliveryProtocol.Effect) throws -> DeliveryProtocol.Event {
        switch effect {
        case .readState:
            var state: [UInt8] = []
            try self.world.book.change(self.counter) { state = $0.state }
            return .state(state)
        case .saveState(let bytes, let before):
            try self.world.book.change(self.counter) { row throws(WeirError) in
                guard row.state == before else { throw WeirError(.invalidArgument, "something else is there") }
                row.state = bytes
            }
        case .checkpoint(let number): try self.move(.sequenceNumber(number, subSequence: nil))
        case .checkpointEnd: try self.move(.shardEnd)
        case .exists(let path): return .exists(try self.destination.exists(path))
        case .look(let name): return .found(try self.destination.look(at: name))
        case .publish(let name, let path): return .published(try self.destination.publish(name, as: path))
        case .discard(let name): try self.destination.discard(name)
        case .settle(let paths): try self.destination.settle(paths)
        case .settleUnfinished: try self.destination.settleUnfinished()
        case .note(let name, let files): try self.destination.keep(name, FileNote.encode(files))
        case .list(let prefix): return .names(try self.destination.unfinished(prefix))
        case .seal(let slot):
            guard let part = self.parts[slot] else { return .sealed(nil) }
            try part.file.sync()
            return .sealed(.init(unfinished: part.name, stored: part.file.stored, draw: self.dice.next()))
        case .tell(.delivered(_, let open)): for file in open { self.parts[file.slot] = nil }
        case .tell: break
        }
        return .done
    }

    private func move(_ checkpoint: LeaseCheckpoint) throws {
        try self.world.book.change(self.counter) { row throws(WeirError) in
            guard checkpoint.isAtOrAfter(row.checkpoint) else {
                throw WeirError(.internalFailure, "\(checkpoint) lies before \(row.checkpoint)")
            }
            row.checkpoint = checkpoint
        }
    }
}
