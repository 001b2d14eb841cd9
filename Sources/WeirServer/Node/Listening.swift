// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Listens on several addresses at one port.
enum Listening {
    /// Attempts to find a free port that is free on every address.
    private static let attempts = 16

    /// Listens on all of `hosts`; those behind the first may be of a family that this machine does not have. Throws why
    /// not, and then listens on none.
    static func bind(_ bootstrap: ServerBootstrap, _ hosts: [String], port: Int) async throws -> [any Channel] {
        var attempt = 1
        while true {
            var listeners: [any Channel] = []
            do {
                for host in hosts {
                    let port = listeners.first?.localAddress?.port ?? port
                    do {
                        listeners.append(try await bootstrap.bind(host: host, port: port).get())
                    } catch let error where !listeners.isEmpty && Self.lacksFamily(error) {
                        continue
                    }
                }
                guard listeners.allSatisfy({ $0.localAddress != nil }) else {
                    throw NodeError("a listening socket has no address")
                }
                return listeners
            } catch {
                for listener in listeners { try? await listener.close().get() }
                // A port that the system chose on one address may be another's on the next.
                let mayTryAgain = port == 0 && !listeners.isEmpty && attempt < Self.attempts
                guard mayTryAgain, (error as? IOError)?.errnoCode == EADDRINUSE else { throw error }
                attempt += 1
            }
        }
    }

    private static func lacksFamily(_ error: any Error) -> Bool {
        guard let code = (error as? IOError)?.errnoCode else { return error is SocketAddressError }
        return code == EADDRNOTAVAIL || code == EAFNOSUPPORT
    }
}
