// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How long the payload of each request may be. Every type names its own bound, so that a list can grow without
/// everything else growing with it; `docs/wire-protocol.md` has the same table, and a test compares them.
extension FrameType {
    /// Enough for every request that holds no list: the longest has three names and a reason.
    package static let plainRequestBytesMax = 4096
    /// The head of a heartbeat, and a measurement of every shard that can be open.
    package static let heartbeatBytesMax =
        Self.plainRequestBytesMax + Limits.openShardsMax * Heartbeat.Measurement.wireBytes

    /// The head of such a request, and all that may be kept with a lease.
    package static let leaseStateBytesMax = Self.plainRequestBytesMax + Limits.leaseStateBytesMax

    package enum PayloadBound: Hashable, Sendable {
        /// So many bytes, and no more than HelloAnswer names for a frame.
        case bytes(Int)
        /// As many as HelloAnswer names for a frame.
        case frame
    }

    /// Of a request; `nil` for what the server sends, which has the bound of a frame.
    package var payloadBound: PayloadBound? {
        guard self.direction == .request else { return nil }
        return switch self {
        case .putRecords: .frame
        case .heartbeat: .bytes(Self.heartbeatBytesMax)
        case .saveLeaseState: .bytes(Self.leaseStateBytesMax)
        default: .bytes(Self.plainRequestBytesMax)
        }
    }

    /// Why a request of this type with `length` bytes is refused; `nil` when its type allows them.
    func refusal(ofBytes length: Int) -> WeirError? {
        guard case .bytes(let allowed)? = self.payloadBound, length > allowed else { return nil }
        return WeirError(
            .frameTooLarge,
            "a request of type \(self) with \(length) bytes; at most \(allowed) are allowed")
    }
}
