// SPDX-License-Identifier: Apache-2.0

/// What a put says beside its records.
package struct PutHeader: Hashable, Sendable {
    package var stream: StreamID
    /// A hint: each group is judged alone. 0 when the client has no map.
    package var mapVersion: UInt64
    /// Rises within a session; 0 for a put that is not ordered.
    package var sequence: UInt64
    /// The client has processed every answer to puts with a sequence up to this one.
    package var seenThrough: UInt64

    package init(stream: StreamID, mapVersion: UInt64, sequence: UInt64 = 0, seenThrough: UInt64 = 0) {
        self.stream = stream
        self.mapVersion = mapVersion
        self.sequence = sequence
        self.seenThrough = seenThrough
    }
}
