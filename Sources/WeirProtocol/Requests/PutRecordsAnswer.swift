// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The form of a put's answer.
///
/// ```
/// 0   u64  map version now      8  u32  entries      12  u32  records (0 when the put was grouped)
/// 16  entries, 48 bytes each, then for a put that the server routed one u16 per record: the entry that holds it
/// ```
/// Of a grouped put entries follow the groups in their order; a group that was admitted only in part has two, the
/// stored prefix and then the refused rest. Of a put that the server routed, the records of one entry take
/// consecutive indexes in their order in the request.
package enum PutRecordsAnswer {
    package static let type = FrameType.putRecordsAnswer
    package static let headerBytes = 16
    package static let entryBytes = 48
    /// More than two for each group; the entry of a record is told in 16 bits.
    package static let entriesMax = 65_536
}
