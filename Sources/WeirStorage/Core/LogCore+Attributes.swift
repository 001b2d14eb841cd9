// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

extension LogCore {
    /// Sets and removes attributes of a stream, an application or a consumer; returns from when on it may be told.
    /// Throws `limitExceeded` over the bounds of `Limits`, `invalidArgument` for a name that is changed twice, and what
    /// says that the owner is not there.
    @discardableResult
    package func setAttributes(
        _ owner: AttributesChanged.Owner, of stream: StreamID, _ changes: [AttributeChange], nowMillis: Int64
    ) throws(WeirError) -> Mark {
        guard owner != .stream else {
            return try self.submit(.setAttributes(stream, changes), nowMillis: nowMillis).mark
        }
        try self.submit(.setAttributes(stream, owner, changes), nowMillis: nowMillis)
        return self.leaseMark
    }

    /// What the owner carries; `nil` when it is not there.
    package func attributes(_ owner: AttributesChanged.Owner, of stream: StreamID) -> Attributes? {
        owner == .stream ? self.catalog.stream(stream)?.attributes : self.leases.attributes(of: owner, stream)
    }
}
