// SPDX-License-Identifier: Apache-2.0
import CWeir

enum OpenFiles {
    /// Raises the soft limit of open files to the hard one. Returns what the limit is then.
    @discardableResult
    static func raise() -> Int? {
        var limit: UInt64 = 0
        _ = weir_raise_open_files(&limit)
        return limit > 0 ? Int(clamping: limit) : nil
    }
}
