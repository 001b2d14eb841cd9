// SPDX-License-Identifier: Apache-2.0
import Logging
import WeirIO
import WeirModel
import WeirProtocol
import WeirStorage

@testable import WeirServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A node on a folder of its own, which goes with it.
struct TestNode {
    let node: Node
    let folder: String

    var port: Int { self.node.address.port ?? 0 }

    /// Runs `body` against a node that listens on a port of the system's choice.
    static func run<T>(
        openFilesMax: Int? = nil, _ change: (inout NodeConfiguration) -> Void = { _ in },
        _ body: (TestNode) async throws -> T
    ) async throws -> T {
        let folder = Self.makeFolder()
        defer { Self.remove(folder) }
        let node = try await Self.start(folder, openFilesMax: openFilesMax, change)
        do {
            let result = try await body(TestNode(node: node, folder: folder))
            await node.shutdown(drain: .zero)
            return result
        } catch {
            await node.shutdown(drain: .zero)
            throw error
        }
    }

    /// As above, on a disk whose commits can fail.
    static func runOnFaultyDisk<T>(
        _ change: (inout NodeConfiguration) -> Void = { _ in }, _ body: (TestNode, FaultyDisk) async throws -> T
    ) async throws -> T {
        let folder = Self.makeFolder()
        defer { Self.remove(folder) }
        let disk = FaultyDisk(try PosixFileSystem(folder: folder, mode: .automatic))
        let node = try await Self.start(folder, on: disk, change)
        do {
            let result = try await body(TestNode(node: node, folder: folder), disk)
            await node.shutdown(drain: .zero)
            return result
        } catch {
            disk.letGo(nil)
            await node.shutdown(drain: .zero)
            throw error
        }
    }

    static func start(
        _ folder: String, on disk: (any FileSystem)? = nil, clock: any Clock = SystemClock(),
        openFilesMax: Int? = nil, _ change: (inout NodeConfiguration) -> Void = { _ in }
    ) async throws -> Node {
        var configuration = Self.configuration(folder)
        change(&configuration)
        return try await Node.start(
            configuration, on: disk, clock: clock, openFilesMax: openFilesMax, logger: Self.logger)
    }

    static func configuration(_ folder: String) -> NodeConfiguration {
        var storage = StorageConfiguration(folder: folder)
        storage.freeBytesFloor = 0
        var configuration = NodeConfiguration(storage: storage, cores: 3)
        configuration.port = 0
        return configuration
    }

    static var logger: Logger {
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        return logger
    }

    func connect(hello: Bool = true, session: UInt64 = 0, receiveBytes: Int32? = nil) throws -> RawClient {
        let client = try RawClient(port: self.port, receiveBytes: receiveBytes)
        if hello { try client.hello(session: session) }
        return client
    }

    /// A new stream and a client that has said Hello.
    func stream(
        _ name: String = "s", shards: UInt32 = 1, limits: LimitsProfile = .open, recordBytesMax: Int = 1 << 20
    ) throws -> (RawClient, StreamID) {
        let client = try self.connect()
        let settings = StreamSettings(limits: limits, recordBytesMax: recordBytesMax)
        let answer = try client.call(
            CreateStream(name: SentName(name), shards: shards, settings: settings), StreamAnswer.self)
        return (client, answer.stream.id)
    }

    static func makeFolder() -> String {
        var template = Array("/tmp/weir-server-test.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no folder for a test: \(errno)") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func remove(_ folder: String) {
        guard let entries = opendir(folder) else { return }
        while let entry = readdir(entries) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { unlink(folder + "/" + name) }
        }
        closedir(entries)
        rmdir(folder)
    }
}
