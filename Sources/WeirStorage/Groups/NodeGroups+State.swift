// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel

/// What workers keep with their leases.
extension NodeGroups {
    package mutating func saveState(
        _ ref: ApplicationRef, _ hold: LeaseHold, state: [UInt8], replaces: UInt32, log: LogCore, moment: GroupMoment
    ) throws(WeirError) {
        try log.submit(.saveState(ref, hold, state, replaces: replaces), nowMillis: moment.wallMillis)
    }

    package func state(
        _ ref: ApplicationRef, _ hold: LeaseHold, log: LogCore, moment: GroupMoment
    ) throws(WeirError) -> [UInt8] {
        guard let stream = log.catalog.stream(ref.stream) else { throw log.missing(ref.stream) }
        return try log.leases.state(ref, hold, log.surroundings(stream, nowMillis: moment.wallMillis))
    }
}
