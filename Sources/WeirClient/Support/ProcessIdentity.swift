// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What this process is called from outside.
package enum ProcessIdentity {
    package static var number: Int32 { getpid() }

    /// Empty where it cannot be found out.
    package static var hostName: String {
        // One byte is kept, so that a name that was cut ends all the same.
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
