// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeirDelivery
import WeirModel

@Suite struct FolderDestinationTests {
    private func withFolder(_ body: (String, FolderDestination) throws -> Void) throws {
        let root = FileManager.default.temporaryDirectory.path + "/weir-folder-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: root) }
        try body(root, try FolderDestination(root))
    }

    private func write(_ bytes: [UInt8], _ name: String, _ folder: FolderDestination) throws -> Stored {
        let file = try folder.begin(name)
        try bytes.withUnsafeBytes { try file.append($0) }
        try file.sync()
        return file.stored
    }

    private func content(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func `A file is hidden until it gets its name, and then it is whole`() throws {
        try self.withFolder { root, folder in
            let stored = try self.write(Array("abc".utf8), "u1", folder)
            #expect(stored.bytes == 3)
            #expect(try folder.look(at: "u1") == stored && folder.unfinished("u") == ["u1"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: root) == [".weir"])
            #expect(try folder.publish("u1", as: "2026/11/a") == .done)
            try folder.settle(["2026/11/a"])
            #expect(self.content(root + "/2026/11/a") == "abc")
            #expect(try folder.exists("2026/11/a") && !folder.exists("2026/11/b") && !folder.exists("no/folder/b"))
            #expect(try folder.look(at: "u1") == nil && folder.unfinished("u").isEmpty)
        }
    }

    @Test func `What has a name is never written over`() throws {
        try self.withFolder { root, folder in
            try FileManager.default.createDirectory(atPath: root + "/d", withIntermediateDirectories: false)
            #expect(FileManager.default.createFile(atPath: root + "/d/a", contents: Data("theirs".utf8)))
            _ = try self.write(Array("ours".utf8), "u1", folder)
            #expect(try folder.publish("u1", as: "d/a") == .wasThere)
            #expect(self.content(root + "/d/a") == "theirs")
            #expect(try folder.unfinished("u").isEmpty)
            #expect(try folder.publish("u1", as: "d/a") == .wasThere)
            #expect(try folder.publish("u1", as: "d/b") == .missing)
            _ = try self.write([1], "u2", folder)
            #expect(throws: DestinationError.self, "it would be another's") { try folder.begin("u2") }
            try folder.discard("u2")
            try folder.discard("u2")
        }
    }

    @Test func `A file that rested goes on where it was, and is lost when somebody removes it`() throws {
        try self.withFolder { root, folder in
            let file = try folder.begin("u")
            for text in ["one ", "two ", "three"] {
                try Array(text.utf8).withUnsafeBytes { try file.append($0) }
                file.rest()
            }
            try file.sync()
            #expect(self.content(root + "/.weir/.u") == "one two three")
            #expect(try folder.look(at: "u") == file.stored)
            file.rest()
            try FileManager.default.removeItem(atPath: root + "/.weir/.u")
            #expect {
                try file.sync()
            } throws: {
                ($0 as? DestinationError)?.kind == .lost
            }
        }
    }

    @Test func `A folder that somebody removes while a file gets its name is made again`() throws {
        try self.withFolder { root, folder in
            _ = try self.write([1], "u", folder)
            #expect(try folder.publish("u", as: "a/b/c") == .done)
            try FileManager.default.removeItem(atPath: root + "/a")
            _ = try self.write([2], "u", folder)
            #expect(try folder.publish("u", as: "a/b/c") == .done)
        }
    }

    @Test func `A folder without its hidden one is not written to, because it may not be mounted`() throws {
        try self.withFolder { root, folder in
            _ = try self.write([1], "u", folder)
            try FileManager.default.removeItem(atPath: root + "/.weir")
            #expect {
                try folder.begin("u2")
            } throws: {
                ($0 as? DestinationError)?.kind == .later && "\($0)".contains("not mounted")
            }
            #expect {
                try folder.settleUnfinished()
            } throws: {
                ($0 as? DestinationError)?.kind == .lost
            }
            #expect(try folder.publish("u", as: "a") == .missing)
        }
    }

    /// What is behind the end of what counts, such as half of a write that failed, is cut off.
    @Test func `Only what was appended counts`() throws {
        try self.withFolder { root, folder in
            let file = try folder.begin("u")
            try Array("good".utf8).withUnsafeBytes { try file.append($0) }
            let handle = try #require(FileHandle(forWritingAtPath: root + "/.weir/.u"))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("half of a write".utf8))
            try handle.close()
            try file.sync()
            #expect(self.content(root + "/.weir/.u") == "good")
        }
    }

    @Test func `A folder that is away or in the way is waited for, and says so`() throws {
        try self.withFolder { root, folder in
            _ = try self.write([1], "u", folder)
            #expect(FileManager.default.createFile(atPath: root + "/file", contents: Data()))
            #expect {
                try folder.publish("u", as: "file/a")
            } throws: {
                ($0 as? DestinationError)?.kind == .later && "\($0)".contains("file")
            }
            try FileManager.default.moveItem(atPath: root, toPath: root + "-away")
            #expect {
                try folder.begin("u2")
            } throws: {
                ($0 as? DestinationError)?.kind == .later
            }
            try FileManager.default.moveItem(atPath: root + "-away", toPath: root)
            #expect(try folder.publish("u", as: "b/a") == .done)
        }
        #expect(throws: DestinationError.self) { try FolderDestination("/no/such/folder") }
        #expect(throws: DestinationError.self) { try FolderDestination("/dev/null") }
    }

    @Test func `Two applications do not deliver one stream into one folder`() throws {
        try self.withFolder { _, folder in
            let (stream, other) = (try StreamName("s"), try StreamName("t"))
            try folder.claim(stream, .application(try ApplicationName("one")))
            try folder.claim(stream, .application(try ApplicationName("one")))
            try folder.claim(other, .application(try ApplicationName("two")))
            #expect {
                try folder.claim(stream, .application(try ApplicationName("two")))
            } throws: {
                "\($0)".contains("--app one")
            }
        }
    }

    @Test func `All who deliver a stream into a folder agree on manifests, and a backfill is alone`() throws {
        let (stream, one) = (try StreamName("s"), try ApplicationName("one"))
        let claims: [FolderClaim] = [
            .application(one), .application(one, manifests: 5), .application(try ApplicationName("two")),
            .application(try ApplicationName("two"), manifests: 5), .backfill("--size 1"), .backfill("--size 2"),
        ]
        for (position, first) in claims.enumerated() {
            for (other, second) in claims.enumerated() {
                try self.withFolder { _, folder in
                    let claimed = try folder.claim(stream, first)
                    #expect(claimed == first)
                    if position == other {
                        let joined = try folder.claim(stream, second)
                        #expect(joined == first)
                    } else {
                        #expect(throws: DestinationError.self) { try folder.claim(stream, second) }
                    }
                }
            }
        }
        try self.withFolder { _, folder in
            try folder.claim(stream, .application(one, manifests: 5))
            let joined = try folder.claim(stream, .application(one, manifests: 7))
            #expect(joined == .application(one, manifests: 5))
            // One that begins anew begins behind records that are in no file: what stood there is over.
            for since: Int64 in [9_000_000_000_000, 8] {
                let begun = try folder.claim(stream, .application(one, manifests: since), begins: true)
                #expect(begun == .application(one, manifests: since))
                #expect(try folder.claim(stream, .application(one, manifests: 11)) == begun)
            }
            #expect(throws: DestinationError.self) {
                try folder.claim(stream, .application(ApplicationName("two"), manifests: 5), begins: true)
            }
            let lock = try folder.lock(stream)
            let beside = try folder.lock(stream)
            let other = try folder.lock(try StreamName("t"))
            #expect(lock != nil && beside == nil && other != nil)
            lock?.release()
            let next = try folder.lock(stream)
            #expect(next != nil)
        }
    }

    /// Two deliveries of one stream, one below the other, would give different files one name.
    @Test func `A folder in the folder of a delivery is refused to another one, whichever comes first`() throws {
        try self.withFolder { root, folder in
            try FileManager.default.createDirectory(atPath: root + "/y/z", withIntermediateDirectories: true)
            for inner in ["/y", "/y/z", "/y/../y/z"] {
                #expect(throws: DestinationError.self) { try FolderDestination(root + inner) }
            }
            // Who was refused leaves nothing that would be in the way.
            _ = try self.write([1], "u1", folder)
            #expect(try folder.publish("u1", as: "y/z/a") == .done)
        }
        try self.withFolder { root, _ in
            try FileManager.default.removeItem(atPath: root + "/.weir")
            try FileManager.default.createDirectory(atPath: root + "/y/z", withIntermediateDirectories: true)
            _ = try FolderDestination(root + "/y/z")
            let outer = try FolderDestination(root)
            _ = try self.write([1], "u1", outer)
            #expect(throws: DestinationError.self) { try outer.publish("u1", as: "y/z/a") }
            #expect(throws: DestinationError.self) { try outer.publish("u1", as: "y/z/b/a") }
            #expect(try outer.publish("u1", as: "y/a") == .done)
        }
    }

    @Test func `Notes are kept, found by their beginning, and forgotten; names are found behind a prefix`() throws {
        try self.withFolder { root, folder in
            #expect(try folder.notes("7.a-").isEmpty && folder.note("7.a-x") == nil)
            try folder.keep("7.a-x", [1, 2])
            try folder.keep("7.a-x", [3])
            try folder.keep("8.a-x", [4])
            #expect(try folder.notes("7.a-") == ["7.a-x"] && folder.note("7.a-x") == [3])
            try folder.forget("7.a-x")
            try folder.forget("7.a-x")
            #expect(try folder.notes("7.a-").isEmpty && folder.notes("8.a-") == ["8.a-x"])
            let stored = try self.write(Array("abc".utf8), "u1", folder)
            _ = try folder.publish("u1", as: "a/b-s-1")
            #expect(try folder.names(behind: "a/b-") == ["s-1"] && folder.names(behind: "a/c").isEmpty)
            #expect(try folder.names(behind: "no/") == [] && folder.read("a/b-s-1") == Array("abc".utf8))
            #expect(try folder.measure("a/b-s-1") == stored && folder.measure("a/no") == nil)
            #expect(try folder.read("no/a") == nil)
        }
    }
}
