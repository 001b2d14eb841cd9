// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// A disk without one free byte: a start cuts the ends of older segments, whatever the folder needs beside them.
@Suite struct FullDiskStartTests {
    enum Folder: CaseIterable {
        case asItIs, ofFormat1, withADamagedFormatFile
    }

    @Test(arguments: Folder.allCases) func aNodeStarts(_ folder: Folder) throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one", "two"], to: ref)
        var configuration = LogRig.small
        configuration.freeBytesFloor = 0
        let disk = rig.disk.copy { image in
            switch folder {
            case .asItIs: break
            case .ofFormat1: image[DataFolder.formatName] = Array(DataFolder.formatText(logID: 77, format: 1).utf8)
            case .withADamagedFormatFile: image[DataFolder.formatName]?[0] ^= 1
            }
        }
        disk.capacity = disk.usedBytes
        let again = try LogRig(disk, clock: rig.clock, configuration: configuration)
        #expect(again.read(ref).inOrder == ["one", "two"])
        #expect(disk.image[DataFolder.formatName] == Array(DataFolder.formatText(logID: 77).utf8))
        #expect(again.report.lines.contains { $0.contains("was of format 1") } == (folder == .ofFormat1))
        #expect(
            again.report.lines.contains { $0.contains("it was written again") } == (folder == .withADamagedFormatFile))
        // And once more, after a power cut.
        try again.restart()
        #expect(again.read(ref).inOrder == ["one", "two"])
    }
}
