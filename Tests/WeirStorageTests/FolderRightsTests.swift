// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeirIO
import WeirTestKit

@testable import WeirStorage

/// Whose a data folder is, what is said of one that is none, and what a start says after a clean stop.
@Suite struct FolderRightsTests {
    private func mode(_ path: String) throws -> Int {
        let value = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        return (value as? NSNumber)?.intValue ?? -1
    }

    private func openAndClose(_ path: String) throws -> [String] {
        var configuration = StorageConfiguration(folder: path)
        configuration.freeBytesFloor = 0
        let box = ProgressBox()
        let storage = try Storage.open(configuration, clock: SystemClock(), handler: box.note)
        let told = storage.recoveryReport
        if storage.status().segments <= 1 {
            box.wait(
                try storage.withLog { log in
                    try log.submit(
                        .createStream(name: try .init("orders"), shards: 1, settings: .init(limits: .open)),
                        nowMillis: SystemClock().wallMillis)
                }.lsn)
        }
        storage.shutdown()
        return told
    }

    @Test func onlyTheOwnerGetsIntoANewFolderAndItsFiles() throws {
        let outer = try TemporaryFolder()
        let path = outer.path + "/a/b/data/"
        let old = umask(0)
        defer { umask(old) }
        _ = try self.openAndClose(path)
        for folder in ["/a", "/a/b", "/a/b/data"] { #expect(try self.mode(outer.path + folder) == 0o700, "\(folder)") }
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        #expect(names.count >= 4)
        for name in names { #expect(try self.mode(path + name) == 0o600, "\(name)") }
        // What an operator has decided stays.
        #expect(chmod(outer.path + "/a/b/data", 0o750) == 0)
        _ = try self.openAndClose(path)
        #expect(try self.mode(outer.path + "/a/b/data") == 0o750)
    }

    @Test func aFolderThatCannotBeMadeSaysWhy() throws {
        let outer = try TemporaryFolder()
        try Data().write(to: URL(fileURLWithPath: outer.path + "/file"))
        let error = #expect(throws: FileError.self) { try PosixFileSystem.makeFolder(outer.path + "/file/data") }
        #expect(error?.description.contains("cannot make the data folder \(outer.path)/file/data") == true)
    }

    @Test func verifySaysOfAFolderWithoutDataThatItIsNone() throws {
        let outer = try TemporaryFolder()
        func message() -> String? {
            #expect(throws: StorageError.self) { try Verifier.run(folder: outer.path) }?.message
        }
        #expect(message() == "\(outer.path) is no data folder: it is empty")
        try Data("x".utf8).write(to: URL(fileURLWithPath: outer.path + "/photo.jpg"))
        #expect(message() == "\(outer.path) is no data folder: nothing in it is Weir's (photo.jpg lies there)")
        // One whose format file alone is gone is damaged indeed.
        let data = outer.path + "/data"
        _ = try self.openAndClose(data)
        try FileManager.default.removeItem(atPath: data + "/weir.format")
        #expect(try Verifier.run(folder: data).findings.count == 1)
    }

    @Test func aStartAfterACleanStopHasNothingToSay() throws {
        let outer = try TemporaryFolder()
        for round in 0..<5 { #expect(try self.openAndClose(outer.path + "/data") == [], "start \(round)") }
    }
}
