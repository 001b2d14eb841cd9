// SPDX-License-Identifier: Apache-2.0
import CWeir
import Synchronization

/// Threads for what blocks in the kernel, which a task may not do.
enum Blocking {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    static func thread(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let context = Unmanaged.passRetained(Body(body)).toOpaque()
        let code = weir_thread_start(
            { context in
                guard let context else { return }
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
            }, context, name)
        precondition(code == 0, "the system gives no thread for \(name): error \(code)")
    }

    /// Runs `body` on a thread of its own.
    static func run<R: Sendable>(_ name: String, _ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await withCheckedThrowingContinuation { continuation in
            Self.thread(name) { continuation.resume(with: Result { try body() }) }
        }
    }
}

/// One thread that does what it is given, in turn, for as long as the process lives.
final class WorkThread: Sendable {
    private struct Queue {
        var work: [@Sendable () -> Void] = []
        var waiting: Bool = false
    }

    private let queue = Mutex(Queue())
    private let wake: (read: Int32, write: Int32)

    init(_ name: String) throws {
        self.wake = try Descriptors.pipe()
        let wake = self.wake.read
        Blocking.thread(name) { [self] in
            var byte: UInt8 = 0
            while Descriptors.read(wake, into: &byte, 1) == 1 {
                let work = self.queue.withLock { queue -> (@Sendable () -> Void)? in
                    queue.work.isEmpty ? nil : queue.work.removeFirst()
                }
                work?()
            }
        }
    }

    func run<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await withCheckedThrowingContinuation { continuation in
            self.queue.withLock { $0.work.append { continuation.resume(with: Result { try body() }) } }
            _ = Descriptors.writeAll(self.wake.write, [0])
        }
    }
}
