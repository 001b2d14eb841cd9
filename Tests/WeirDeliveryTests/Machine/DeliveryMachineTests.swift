// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirDelivery
import WeirModel

@Suite struct DeliveryMachineTests {
    private static func settings(
        bytes: UInt64 = 100, _ measure: DeliveryMachine.Measure = .input, nanos: UInt64 = 1000, open: Int = 3,
        active: Int = 3, intent: Int = 3
    ) -> DeliveryMachine.Settings {
        DeliveryMachine.Settings(
            fileBytes: bytes, measure: measure, fileNanos: nanos, openMax: open, activeMax: active, intentMax: intent)
    }

    @discardableResult
    private func take(
        _ machine: inout DeliveryMachine, _ index: UInt64, _ partition: String, bytes: UInt64 = 10, now: UInt64 = 0
    ) -> DeliveryMachine.Turn {
        machine.take(
            .partition(partition), first: Samples.number(index), last: Samples.number(index), records: 1, bytes: bytes,
            now: now)
    }

    private func partitions(_ files: [DeliveryMachine.OpenFile]) -> [DeliveryMachine.Slot] { files.map(\.slot) }

    /// Gives what is due its names.
    private func name(_ machine: inout DeliveryMachine, _ files: [DeliveryMachine.OpenFile]) throws -> UInt64? {
        let cut = try #require(machine.position)
        let intent = Intent(
            cut: cut,
            files: files.map { file in
                guard case .partition(let partition) = file.slot else { fatalError("no partition") }
                return IntendedFile(
                    partition: partition, path: partition, unfinished: "u", bytes: 1, checksum: 1, first: file.first,
                    last: file.last, records: file.records)
            })
        return machine.finished(intent, files.map(\.slot))?.index
    }

    @Test func `A file is due at its size, before or after compression`() {
        for bytes in [98, 99, 100, 101] as [UInt64] {
            var machine = DeliveryMachine(Self.settings(), from: nil)
            self.take(&machine, 0, "a", bytes: bytes - 50)
            self.take(&machine, 1, "a", bytes: 50)
            #expect(machine.due(now: 0).isEmpty == (bytes < 100), "\(bytes)")
            var stored = DeliveryMachine(Self.settings(.compressed), from: nil)
            self.take(&stored, 0, "a", bytes: 1_000_000)
            stored.stored(.partition("a"), bytes: bytes)
            #expect(stored.due(now: 0).isEmpty == (bytes < 100), "\(bytes)")
        }
    }

    @Test func `A file is due when its first record has waited, whatever came later`() {
        var machine = DeliveryMachine(Self.settings(), from: nil)
        self.take(&machine, 0, "a", now: 500)
        self.take(&machine, 1, "a", now: 1400)
        #expect(machine.nextDeadline == 1500)
        #expect(machine.due(now: 1499).isEmpty)
        #expect(machine.due(now: 1500).count == 1)
    }

    @Test func `With too many open files the one that was used least is due`() {
        for open in 1...4 {
            var machine = DeliveryMachine(Self.settings(open: open), from: nil)
            for index in 0..<UInt64(open) { self.take(&machine, index, "p\(index)") }
            #expect(machine.due(now: 0).isEmpty)
            // The first is used again, so that another is the least.
            self.take(&machine, UInt64(open), "p0")
            self.take(&machine, UInt64(open) + 1, "new")
            let expected = open == 1 ? "p0" : "p1"
            #expect(self.partitions(machine.due(now: 0)) == [.partition(expected)])
        }
    }

    @Test func `With too many that compress the one that was used least rests, and wakes when it is used`() {
        var machine = DeliveryMachine(Self.settings(open: 9, active: 2), from: nil)
        #expect(self.take(&machine, 0, "a") == .init(isNew: true, wakes: false, rests: nil))
        #expect(self.take(&machine, 1, "b") == .init(isNew: true, wakes: false, rests: nil))
        #expect(self.take(&machine, 2, "c") == .init(isNew: true, wakes: false, rests: .partition("a")))
        #expect(self.take(&machine, 3, "b") == .init(isNew: false, wakes: false, rests: nil))
        #expect(self.take(&machine, 4, "a") == .init(isNew: false, wakes: true, rests: .partition("c")))
        #expect(machine.open.values.count(where: \.isActive) == 2)
    }

    @Test func `The checkpoint stays before the first record of what is open, and what lies beyond is passed over`()
        throws
    {
        var machine = DeliveryMachine(Self.settings(open: 9), from: Samples.number(9))
        self.take(&machine, 10, "a")
        self.take(&machine, 11, "b", bytes: 100)
        #expect(try self.name(&machine, machine.due(now: 0)) == 9)
        #expect(machine.place(11, "b") == .delivered && machine.place(12, "b") == .file(.partition("b")))
        #expect(machine.place(10, "a") == .file(.partition("a")))
        self.take(&machine, 12, "a", bytes: 90)
        #expect(try self.name(&machine, machine.due(now: 0)) == 12)
        #expect(machine.place(11, "b") == .file(.partition("b")), "nobody reads it again")
        #expect(!machine.mayMove)
    }

    @Test func `No more files than an intent may have are due at once, the oldest first`() {
        for intent in 1...4 {
            var machine = DeliveryMachine(Self.settings(bytes: 1, open: 9, intent: intent), from: nil)
            for index in 0..<3 as Range<UInt64> { self.take(&machine, index, "p\(index)") }
            let due = machine.due(now: 0)
            #expect(due.map(\.first.index) == (0..<UInt64(min(3, intent))).map { $0 })
            #expect(machine.rest().count == min(3, intent))
        }
    }

    @Test func `What is known beyond the checkpoint is bounded`() throws {
        var machine = DeliveryMachine(Self.settings(open: 3, intent: 9), from: nil)
        self.take(&machine, 0, "old")
        for index in 1...20 as ClosedRange<UInt64> {
            self.take(&machine, index, "p\(index)", bytes: 100)
            let due = machine.due(now: 0)
            if !due.isEmpty { _ = try self.name(&machine, due) }
            while !machine.due(now: 0).isEmpty { _ = try self.name(&machine, machine.due(now: 0)) }
            #expect(machine.deliveredStates(nil).count <= 3)
        }
    }

    @Test func `What was not finished is made again through its cut, before anything else is due`() throws {
        let file = IntendedFile(
            partition: "a", path: "a-1-3", unfinished: "u", bytes: 1, checksum: 1, first: Samples.number(1),
            last: Samples.number(3), records: 2)
        let again = Intent(cut: Samples.number(3), files: [file])
        var machine = DeliveryMachine(Self.settings(bytes: 1), from: Samples.number(0), again: again)
        #expect(machine.place(1, "a") == .file(.again(0)) && machine.place(2, "b") == .file(.partition("b")))
        #expect(machine.place(4, "a") == .file(.partition("a")))
        for (index, slot) in [(1, .again(0)), (2, .partition("b")), (3, .again(0))] as [(UInt64, DeliveryMachine.Slot)]
        {
            #expect(!machine.mustFinish(before: index))
            _ = machine.take(
                slot, first: Samples.number(index), last: Samples.number(index), records: 1, bytes: 10, now: 0)
            #expect(machine.due(now: .max).isEmpty && machine.rest().isEmpty && machine.nextDeadline == nil)
        }
        #expect(machine.mustFinish(before: 4))
        #expect(machine.finished(again, [.again(0)])?.index == 1, "b is open from 2 on")
        #expect(!machine.mustFinish(before: 4))
        #expect(self.partitions(machine.due(now: 0)) == [.partition("b")])
        // An earlier file of the same partition has record 1 already.
        let later = DeliveryMachine(
            Self.settings(), from: nil, delivered: [.init(partition: "a", through: 0)], again: again)
        #expect(later.place(0, "a") == .delivered && later.place(1, "a") == .file(.again(0)))
        let other = DeliveryMachine(
            Self.settings(), from: nil, delivered: [.init(partition: "a", through: 2)], again: again)
        #expect(other.place(2, "a") == .delivered && other.place(3, "a") == .file(.again(0)))
        #expect(DeliveryMachine(Self.settings(), from: nil, again: again).place(0, "a") == .file(.partition("a")))
        var lost = DeliveryMachine(Self.settings(), from: Samples.number(0), again: again)
        lost.nothingToMakeAgain()
        #expect(!lost.mustFinish(before: 9) && lost.checkpoint?.index == 0)
    }
}
