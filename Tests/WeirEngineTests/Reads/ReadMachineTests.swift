// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirEngine

/// Each kind of read with each thing that it may see, at the times around which it decides.
@Suite struct ReadMachineTests {
    private typealias Sight = ReadMachine.Sight
    private typealias Action = ReadMachine.Action

    private static let deadline: UInt64 = 1_000_000_000

    private func once(at now: UInt64, _ sight: Sight, mayWait: Bool = true) -> (Action, ReadMachine) {
        var machine = ReadMachine(.once(deadlineNanos: Self.deadline), from: 7)
        let action = machine.saw(sight, nowNanos: now, mayWait: mayWait)
        return (action, machine)
    }

    private func pushed(at now: UInt64 = 5, _ sight: Sight) -> (Action, ReadMachine) {
        var machine = ReadMachine(.pushed(SubscriptionCredit(bytes: 100)), from: 7)
        let action = machine.saw(sight, nowNanos: now)
        return (action, machine)
    }

    @Test func `A read that finds nothing waits for the shard until its deadline, and is answered at it`() {
        let nothing = Sight.found(nextIndex: 9, isNews: false, isSure: true)
        for now in [0, 1, Self.deadline - 1] {
            let (action, machine) = self.once(at: now, nothing)
            #expect(action == .wait(forShard: true, untilNanos: Self.deadline))
            #expect(machine.index == 9 && machine.state == .waiting)
        }
        for now in [Self.deadline, Self.deadline + 1] { #expect(self.once(at: now, nothing).0 == .deliver) }
        #expect(self.once(at: 0, nothing, mayWait: false).0 == .deliver)
    }

    @Test func `What a reader thread did not find is looked for again soon, but not behind the deadline`() {
        let nothing = Sight.found(nextIndex: 9, isNews: false, isSure: false)
        let look = ReadMachine.secondLookNanos
        for (now, until) in [
            (0, look), (Self.deadline - look - 1, Self.deadline - 1), (Self.deadline - look, Self.deadline),
            (Self.deadline - 1, Self.deadline),
        ] {
            #expect(self.once(at: now, nothing).0 == .wait(forShard: true, untilNanos: until))
        }
        #expect(self.pushed(at: 5, nothing).0 == .wait(forShard: true, untilNanos: 5 + look))
    }

    @Test func `Each thing that is seen leads to one action, for both kinds of reads`() {
        let table: [(Sight, once: Action, pushed: Action)] = [
            (.found(nextIndex: 9, isNews: true, isSure: true), .deliver, .deliver),
            (.found(nextIndex: 9, isNews: true, isSure: false), .deliver, .deliver),
            (
                .found(nextIndex: 9, isNews: false, isSure: true), .wait(forShard: true, untilNanos: Self.deadline),
                .wait(forShard: true, untilNanos: nil)
            ),
            (.needsDisk, .readDisk, .readDisk),
            (.unavailable(retryMillis: nil), .refuse, .refuse),
            (.unavailable(retryMillis: 0), .refuse, .wait(forShard: false, untilNanos: 5 + 1_000_000)),
            (.unavailable(retryMillis: 200), .refuse, .wait(forShard: false, untilNanos: 5 + 200_000_000)),
            (.refused(mayTell: true), .refuse, .refuse),
            (.refused(mayTell: false), .refuse, .wait(forShard: false, untilNanos: 5 + ReadMachine.untoldNanos)),
            (.throttled(nanos: 77), .refuse, .wait(forShard: false, untilNanos: 5 + 77)),
            (.throttled(nanos: .max - 5), .refuse, .wait(forShard: false, untilNanos: .max)),
            (.throttled(nanos: .max), .refuse, .wait(forShard: false, untilNanos: .max)),
        ]
        for (sight, once, pushed) in table {
            #expect(self.once(at: 5, sight).0 == once, "\(sight)")
            let (action, machine) = self.pushed(sight)
            #expect(action == pushed, "\(sight)")
            #expect((machine.state == .onDisk) == (sight == .needsDisk), "\(sight)")
        }
    }

    @Test func `A read that is on the disk looks again only when the disk has answered`() {
        var machine = ReadMachine(.once(deadlineNanos: Self.deadline), from: 7)
        _ = machine.saw(.needsDisk, nowNanos: 0)
        var looks = machine.mayLook(hasRoom: true)
        #expect(!looks && machine.state == .onDisk)
        _ = machine.saw(.found(nextIndex: 7, isNews: false, isSure: false), nowNanos: 1)
        looks = machine.mayLook(hasRoom: true)
        #expect(looks)
    }

    @Test func `A subscription waits for credit first, then for room; a read waits for neither`() {
        var machine = ReadMachine(.pushed(SubscriptionCredit(bytes: 0)), from: 0)
        func look(hasRoom: Bool) -> ReadMachine.State? { machine.mayLook(hasRoom: hasRoom) ? nil : machine.state }
        func grant(_ bytes: UInt32) -> Bool { machine.grant(bytes: bytes) }
        #expect(look(hasRoom: false) == .wantsCredit)
        #expect(grant(10), "it waited for that")
        #expect(look(hasRoom: false) == .wantsRoom)
        #expect(!grant(10))
        #expect(look(hasRoom: true) == nil)
        // One push may take more than there is.
        machine.delivered(nextIndex: 4, batchBytes: 21)
        #expect(machine.index == 4)
        #expect(look(hasRoom: true) == .wantsCredit)
        #expect(grant(1))
        #expect(look(hasRoom: true) == .wantsCredit, "the balance is 0")
        #expect(grant(1))
        #expect(look(hasRoom: true) == nil)
        machine = ReadMachine(.once(deadlineNanos: 1), from: 0)
        #expect(look(hasRoom: false) == nil)
        #expect(!grant(1))
    }
}
