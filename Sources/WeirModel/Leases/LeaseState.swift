// SPDX-License-Identifier: Apache-2.0
import CWeir

/// What a worker keeps with a lease, for itself and whoever holds the lease next. The bytes mean nothing to the server.
public enum LeaseState {
    /// CRC-32C: names the state that another one is to replace. A call that was given up and arrives late names one
    /// that is not there any more, and does nothing.
    public static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { weir_crc32c(0, $0.baseAddress, $0.count) }
    }
}
