// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirIO
import WeirModel
import WeirTestKit

@testable import WeirIO

@Suite struct ClockTests {
    /// A clock that jumps while the timers of the system do not, as after the machine slept.
    private final class JumpingTime: Sendable {
        let nanos = Atomic<UInt64>(1_000)
        func jump(_ by: UInt64) { self.nanos.wrappingAdd(by, ordering: .sequentiallyConsistent) }
    }

    private final class Flag: Sendable {
        private let value = Atomic<Bool>(false)
        var isSet: Bool { self.value.load(ordering: .sequentiallyConsistent) }
        func set() { self.value.store(true, ordering: .sequentiallyConsistent) }
    }

    private static func times(_ time: JumpingTime) -> Timers {
        Timers(longestWaitNanos: 1_000_000) { time.nanos.load(ordering: .sequentiallyConsistent) }
    }

    @Test(.timeLimit(.minutes(1)))
    func `A timer that is an hour away fires soon after the clock has jumped over it`() async {
        let time = JumpingTime()
        let timers = Self.times(time)
        await withCheckedContinuation { continuation in
            timers.schedule(at: 3_600_000_000_000) { continuation.resume() }
            time.jump(3_600_000_000_000)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `Timers fire in the order of their times, those of one time as they were set, each once`() async {
        let seed = UInt64.random(in: 0...(.max))
        var random = SeededNumbers(seed)
        let time = JumpingTime()
        let timers = Self.times(time)
        let fired = Mutex<[(nanos: UInt64, number: Int)]>([])
        let count = 200
        let all = (0..<count).map { (nanos: 10_000 + UInt64(random.below(40)), number: $0) }
        await withCheckedContinuation { continuation in
            for one in all {
                timers.schedule(at: one.nanos) {
                    if fired.withLock({
                        $0.append(one); return $0.count
                    }) == count {
                        continuation.resume()
                    }
                }
            }
            #expect(fired.withLock { $0.isEmpty }, "nothing is due yet")
            time.jump(1_000_000)
        }
        let expected = all.sorted { ($0.nanos, $0.number) < ($1.nanos, $1.number) }
        #expect(fired.withLock { $0.map(\.number) } == expected.map(\.number), "seed \(seed)")
    }

    @Test(.timeLimit(.minutes(1)))
    func `A timer of an earlier time fires before one that was set first`() async {
        let clock = SystemClock()
        let now = clock.monotonicNanos
        let late = Flag()
        await withCheckedContinuation { continuation in
            clock.schedule(at: now + 600_000_000_000) { late.set() }
            clock.schedule(at: now + 1_000_000) { continuation.resume() }
        }
        #expect(clock.monotonicNanos >= now + 1_000_000)
        #expect(!late.isSet)
    }

    @Test(arguments: [true, false])
    func `Sleeping ends when the clock is there, at once when it is already, and throws when cancelled`(
        isManual: Bool
    ) async throws {
        let clock: any Clock = isManual ? ManualClock() : SystemClock()
        try await clock.sleep(until: clock.monotonicNanos)
        let sleeper = Task { try await clock.sleep(until: clock.monotonicNanos + 3_600_000_000_000) }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await clock.sleep(until: 0)
        }
        await #expect(throws: CancellationError.self) { try await cancelled.value }
    }

    @Test func `A sleeper on a clock that a test moves wakes with the clock`() async throws {
        let clock = ManualClock()
        let awake = Flag()
        try await withThrowingTaskGroup { group in
            group.addTask {
                try await clock.sleep(until: clock.monotonicNanos + 5_000_000)
                awake.set()
            }
            await clock.advance { awake.isSet }
            try await group.waitForAll()
        }
        #expect(clock.monotonicNanos >= 1_005_000_000)
    }

    @Test func `The system's clocks run, and agree on how fast`() {
        let clock = SystemClock()
        let (wall, monotonic) = (clock.wallMillis, clock.monotonicNanos)
        #expect(Limits.clockMillis.contains(wall))
        #expect(clock.monotonicNanos >= monotonic)
    }
}

/// Numbers that are the same for the same seed.
private struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}
