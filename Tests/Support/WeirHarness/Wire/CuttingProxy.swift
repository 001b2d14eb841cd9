// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel
import WeirProtocol

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Stands between clients and a server, passes everything on, and ends a connection instead of passing on the answer to
/// a put: the server has stored, and the client does not know.
package final class CuttingProxy: Sendable {
    private let listener: Int32
    /// On 127.0.0.1.
    package let port: Int
    private let server: (host: String, port: Int)
    private let cutCount = Atomic<Int>(0)

    /// Connections that were ended at the answer to a put.
    package var cuts: Int { self.cutCount.load(ordering: .relaxed) }

    private init(_ listener: Int32, port: Int, to server: (host: String, port: Int)) {
        self.listener = listener
        self.port = port
        self.server = server
    }

    package static func open(to server: ServerProcess) throws -> CuttingProxy {
        #if canImport(Glibc)
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        #else
        let listener = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        try require(listener >= 0, "no socket: \(Descriptors.lastError)")
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
                guard bind(listener, address, length) == 0, listen(listener, 64) == 0 else { return -1 }
                return getsockname(listener, address, &length)
            }
        }
        guard code == 0 else {
            Descriptors.close(listener)
            throw HarnessError("no port to listen on: \(Descriptors.lastError)")
        }
        let proxy = CuttingProxy(
            listener, port: Int(UInt16(bigEndian: address.sin_port)), to: (server.host, server.port))
        Blocking.thread("weir-proxy") { proxy.acceptAll() }
        return proxy
    }

    /// Takes no more connections; those that are open end with their clients.
    package func close() { _ = shutdown(self.listener, Int32(SHUT_RDWR)) }

    private func acceptAll() {
        while true {
            let descriptor = accept(self.listener, nil, nil)
            if descriptor < 0, errno == EINTR || errno == ECONNABORTED { continue }
            guard descriptor >= 0 else { break }
            let client = RawConnection(descriptor)
            guard let server = try? RawConnection.connect(self.server.host, self.server.port) else { continue }
            Blocking.thread("weir-proxy-up") { Self.passOn(from: client, to: server) }
            Blocking.thread("weir-proxy-down") { self.answer(from: server, to: client) }
        }
        Descriptors.close(self.listener)
    }

    /// Longer than any case plays.
    private static let patience = Duration.seconds(3600)

    private static func passOn(from client: RawConnection, to server: RawConnection) {
        while let bytes = try? client.receiveNow(64 << 10, within: Self.patience), !bytes.isEmpty {
            guard (try? server.sendNow(bytes)) != nil else { break }
        }
        client.close()
        server.close()
    }

    private func answer(from server: RawConnection, to client: RawConnection) {
        while let frame = try? server.frameNow(Self.patience) {
            if frame.header.type == .putRecordsAnswer {
                self.cutCount.add(1, ordering: .relaxed)
                break
            }
            var writer = ByteWriter()
            frame.header.encode(into: &writer)
            guard (try? client.sendNow(writer.bytes + frame.payload)) != nil else { break }
        }
        client.close()
        server.close()
    }
}
