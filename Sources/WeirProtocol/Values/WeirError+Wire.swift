// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A verdict as its three fields stand on the wire: also inside the entries of a put's answer.
struct VerdictFields {
    static let never: UInt8 = 0
    static let after: UInt8 = 1
    static let refreshShardMap: UInt8 = 2

    var maybeStored: UInt8
    var retryKind: UInt8
    var retryAfterMillis: UInt32

    init(maybeStored: UInt8, retryKind: UInt8, retryAfterMillis: UInt32) {
        self.maybeStored = maybeStored
        self.retryKind = retryKind
        self.retryAfterMillis = retryAfterMillis
    }

    init(_ verdict: WeirError.Verdict) {
        self.maybeStored = verdict.maybeStored ? 1 : 0
        switch verdict.retry {
        case .never: (self.retryKind, self.retryAfterMillis) = (Self.never, 0)
        case .after(let pause): (self.retryKind, self.retryAfterMillis) = (Self.after, UInt32(clamping: pause.millis))
        case .refreshShardMap: (self.retryKind, self.retryAfterMillis) = (Self.refreshShardMap, 0)
        }
    }

    func verdict() throws(MalformedBytes) -> WeirError.Verdict {
        guard self.maybeStored <= 1 else { throw MalformedBytes("a verdict has unknown flags") }
        let retry: WeirError.Retry
        switch (self.retryKind, self.retryAfterMillis) {
        case (Self.never, 0): retry = .never
        case (Self.after, let millis): retry = .after(millis: millis)
        case (Self.refreshShardMap, 0): retry = .refreshShardMap
        default: throw MalformedBytes("a verdict's retry kind \(self.retryKind) with \(self.retryAfterMillis) ms")
        }
        return WeirError.Verdict(maybeStored: self.maybeStored == 1, retry: retry)
    }
}

/// ```
/// u16 code | u8 may be stored (0, 1) | u8 retry kind (0 never, 1 after, 2 refresh) | u32 retry after, ms | text
/// ```
extension WeirError {
    static let wireBytesMin = 10

    package func encode(into writer: inout ByteWriter) {
        let fields = VerdictFields(self.verdict)
        writer.write(self.code.rawValue)
        writer.write(fields.maybeStored)
        writer.write(fields.retryKind)
        writer.write(fields.retryAfterMillis)
        writer.write(self.message, maxBytes: Wire.messageBytesMax)
    }

    /// A code of a later version is kept as the number that it is.
    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let code = Code(rawValue: try reader.read())
        let fields = VerdictFields(
            maybeStored: try reader.read(), retryKind: try reader.read(), retryAfterMillis: try reader.read())
        let verdict = try fields.verdict()
        self.init(code, try reader.readString(maxBytes: Wire.messageBytesMax), verdict: verdict)
    }
}
