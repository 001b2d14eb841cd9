// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog

extension Storage {
    /// Verifies one piece of an old segment; called once a tick, so that it takes no more than 40 MB/s from the disk.
    func scrub(_ scrubber: inout Scrubber) {
        let piece = self.monitor.withLock { running -> ScrubPiece? in
            guard let piece = running.core.takeScrub() else { return nil }
            running.busy += 1
            return piece
        }
        guard let piece else { return }
        var next = piece.end
        var damage: [Range<Int>] = []
        do throws(FileError) {
            let found = try scrubber.verify(piece, self.fileSystem)
            (next, damage) = found
            for range in damage {
                self.handler(
                    .notice(
                        "\(Segment.fileName(piece.segment.header.file)) is damaged in bytes \(range.lowerBound) to "
                            + "\(range.upperBound): acknowledged records are lost there, and readers are told so; "
                            + "restore the file from a copy, and run weir verify"))
            }
        } catch {
            if error.kind == .noDescriptors {
                // Looked at when there are some again.
                next = piece.offset
            } else {
                self.handler(.notice("looking for damage: \(error)"))
            }
        }
        self.monitor.withLock { running in
            running.core.scrubbed(piece, next: next, damage: damage)
            running.busy -= 1
        }
        self.monitor.wakeAll()
    }
}
