// SPDX-License-Identifier: Apache-2.0

/// How many puts, and how many payload bytes of puts, are without an answer on a connection: counted by both ends in
/// the same way, so a client that asks first is never refused.
///
/// One put is always allowed when none is under way, also one that is larger than the bytes.
package struct PutCredit: Hashable, Sendable {
    package let bytesMax: Int
    package let requestsMax: Int
    package private(set) var bytes = 0
    package private(set) var requests = 0

    package init(bytesMax: Int, requestsMax: Int) {
        self.bytesMax = bytesMax
        self.requestsMax = requestsMax
    }

    /// Whether a put with a payload of `bytes` bytes may be sent now.
    package func allows(_ bytes: Int) -> Bool {
        self.requests == 0 || (self.requests < self.requestsMax && bytes <= self.bytesMax - self.bytes)
    }

    package mutating func take(_ bytes: Int) {
        self.bytes += bytes
        self.requests += 1
    }

    /// The put was answered. `bytes` as they were taken.
    package mutating func release(_ bytes: Int) {
        precondition(self.requests > 0 && self.bytes >= bytes, "credit is given back that was not taken")
        self.bytes -= bytes
        self.requests -= 1
    }
}
