// SPDX-License-Identifier: Apache-2.0

/// How the files that the system lets a process open are shared out, so that a client is refused before the log lacks
/// one. No I/O.
///
/// A socket is an open file, and so is a segment that is written or read. What the log needs does not grow with the
/// number of its segments: one is open while it is written, and of those that readers want a bounded number.
struct DescriptorPlan: Hashable {
    /// Connections that are served at one time.
    let connections: Int
    /// More that are open for as long as they are told why they are not served. Others wait outside.
    let turnedAway: Int
    /// Segments that stay open for readers.
    let readFiles: Int
    /// For the operator, when fewer connections are allowed than configured.
    let sentence: String?

    /// Standard streams, lock and folder, listening sockets, what the system and libraries open for a moment.
    static let ofProcess = 16
    /// The log: segments in use, those that are full and not yet synced, ready and in the making, footer, snapshot and
    /// list of the folder, the scrub, and one for each read that found its file closed by others.
    static let ofLog = 24
    /// Of each event loop, for its events.
    static let ofLoop = 3

    static let turnedAwayRange = 4...64
    static let readFilesMax = 256
    /// With fewer than these, connections matter more.
    static let readFilesWanted = 32
    /// A server for fewer is not worth starting.
    static let connectionsLeast = 8

    /// `limit`: files that this process may have open; `nil` is without a limit.
    init(limit: Int?, connectionsMax: Int, loops: Int) throws(NodeError) {
        let kept = Self.ofProcess + Self.ofLog + Self.ofLoop * loops
        let room = (limit ?? Int.max / 2) - kept
        let turnedAway = min(max(Self.turnedAwayRange.lowerBound, room / 16), Self.turnedAwayRange.upperBound)
        // Four off, so that no limit raises both at once: a larger one never leaves fewer connections.
        let readFilesLeast = min(Self.readFilesWanted, max(4, (room - 4) / 8))
        let readFiles = min(max(room - turnedAway - connectionsMax, readFilesLeast), Self.readFilesMax)
        self.turnedAway = turnedAway
        self.readFiles = readFiles
        self.connections = min(connectionsMax, room - turnedAway - readFiles)
        let wanted = kept + Self.turnedAwayRange.upperBound + Self.readFilesWanted + connectionsMax
        guard self.connections >= min(connectionsMax, Self.connectionsLeast) else {
            throw NodeError(
                "the system lets this process have \(limit ?? 0) files open, which is too few for a server: with "
                    + "\(loops) event loops and \(connectionsMax) connections it wants \(wanted). \(Self.remedy)")
        }
        self.sentence =
            self.connections == connectionsMax
            ? nil
            : "the system lets this process have \(limit ?? 0) files open: \(self.connections) connections are allowed "
                + "instead of \(connectionsMax) (connections.max), so that the log never lacks a file; \(wanted) open "
                + "files would do for all. \(Self.remedy)"
    }

    private static let remedy =
        "Raise the hard limit: ulimit -Hn, LimitNOFILE of a systemd unit, --ulimit nofile of a container"
}
