// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Records for a subscription, as they lie in the bytes that arrived. `RecordsHeader.pushHead` makes the sender's side.
///
/// ```
/// 0  u32  subscription id      4  u32  0      8  records header, batches
/// ```
package struct RecordsPushView {
    package let subscription: UInt32
    package let records: RecordsView

    /// `payload` must outlive the view.
    package init(payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        self.subscription = try reader.read()
        guard try reader.read(UInt32.self) == 0 else {
            throw MalformedBytes("the reserved field of a push is not 0")
        }
        self.records = try RecordsView(reading: &reader)
    }
}
