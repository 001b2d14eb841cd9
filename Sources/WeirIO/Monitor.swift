// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A lock with two conditions to wait on, around a value that is not `Sendable`. Workers wait for work, of which each
/// piece wakes one; others wait for a change, which wakes all of them.
package final class Monitor<Value>: @unchecked Sendable {
    // Unchecked: the value is reached only through `withLock`, one thread at a time. The standard Mutex has no
    // condition that a thread could wait for.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let work: UnsafeMutablePointer<pthread_cond_t>
    private let change: UnsafeMutablePointer<pthread_cond_t>
    private var value: Value

    package init(_ value: sending Value) {
        self.value = value
        self.mutex = .allocate(capacity: 1)
        self.work = .allocate(capacity: 1)
        self.change = .allocate(capacity: 1)
        pthread_mutex_init(self.mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        #if !canImport(Darwin)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        #endif
        pthread_cond_init(self.work, &attributes)
        pthread_cond_init(self.change, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(self.work)
        pthread_cond_destroy(self.change)
        pthread_mutex_destroy(self.mutex)
        self.work.deallocate()
        self.change.deallocate()
        self.mutex.deallocate()
    }

    package func withLock<R, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        return try body(&self.value)
    }

    /// Runs `body` until it gives a result, sleeping in between until there is work.
    package func waitForWork<R>(_ body: (inout Value) -> R?) -> R {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        while true {
            if let result = body(&self.value) { return result }
            pthread_cond_wait(self.work, self.mutex)
        }
    }

    /// Runs `body` until it gives a result, sleeping in between until a change or, at the latest, `milliseconds`.
    package func wait<R>(milliseconds: Int? = nil, _ body: (inout Value) -> R?) -> R? {
        self.wait(nanos: milliseconds.map { UInt64(max(0, $0)) * 1_000_000 }, body)
    }

    /// As above, at the latest until `nanos` from now. The system's own clock measures them, and it may stand still
    /// while the system sleeps.
    package func wait<R>(nanos: UInt64?, _ body: (inout Value) -> R?) -> R? {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        while true {
            if let result = body(&self.value) { return result }
            guard let nanos else {
                pthread_cond_wait(self.change, self.mutex)
                continue
            }
            var until = timespec()
            #if canImport(Darwin)
            clock_gettime(CLOCK_REALTIME, &until)
            #else
            clock_gettime(CLOCK_MONOTONIC, &until)
            #endif
            let fraction = UInt64(until.tv_nsec) + nanos % 1_000_000_000
            until.tv_sec += Int(nanos / 1_000_000_000 + fraction / 1_000_000_000)
            until.tv_nsec = Int(fraction % 1_000_000_000)
            if pthread_cond_timedwait(self.change, self.mutex, &until) != 0 { return body(&self.value) }
        }
    }

    /// There is one more piece of work.
    package func wakeWorker() { pthread_cond_signal(self.work) }

    /// Something changed that everybody may wait for, workers too.
    package func wakeAll() {
        pthread_cond_broadcast(self.work)
        pthread_cond_broadcast(self.change)
    }
}
