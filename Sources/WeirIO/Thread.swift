// SPDX-License-Identifier: Apache-2.0
import CWeir

/// A thread of our own: for work that blocks in the kernel, which neither an event loop nor a task may do.
package enum Thread {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let context = Unmanaged.passRetained(Body(body)).toOpaque()
        let code = weir_thread_start(
            { context in
                guard let context else { return }
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
            }, context, name)
        precondition(code == 0, "the system gives no thread for \(name): error \(code)")
    }
}
