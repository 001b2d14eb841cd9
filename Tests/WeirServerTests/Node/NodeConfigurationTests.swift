// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirServer
import WeirStorage

@Suite struct NodeConfigurationTests {
    private func configuration() -> NodeConfiguration {
        NodeConfiguration(storage: StorageConfiguration(folder: "nowhere"), cores: 2)
    }

    @Test(arguments: [(1, 1), (2, 1), (3, 2), (5, 4), (64, 4)])
    func `A loop for each processor but one, at most four`(_ cores: Int, _ loops: Int) {
        #expect(NodeConfiguration(storage: StorageConfiguration(folder: ""), cores: cores).loops == loops)
    }

    @Test(arguments: [
        "127.0.0.1", "127.3.2.1", "localhost", "LOCALHOST", "Localhost.", "::1", "[::1]", "[0:0:0:0:0:0:0:1]",
        "0000:0000:0000:0000:0000:0000:0000:0001", "::ffff:127.0.0.1", "[::FFFF:127.1.2.3]", "[::ffff:7f00:1]",
    ])
    func `Loopback is allowed`(_ host: String) throws {
        var configuration = self.configuration()
        configuration.host = host
        try configuration.validate()
    }

    @Test(arguments: [
        "0.0.0.0", "::", "192.168.1.4", "example.com", "127.0.0.1.example.com", "1270.0.0.1", "127.0.0", "::2",
        "::ffff:128.0.0.1", "::fffe:127.0.0.1", "1::1", "localhost.example.com", "::127.0.0.1", "[127.0.0.1",
    ])
    func `Beyond loopback only when it is asked for`(_ host: String) throws {
        var configuration = self.configuration()
        configuration.host = host
        let error = #expect(throws: NodeError.self) { try configuration.validate() }
        #expect(error?.description.contains("--insecure") == true)
        #expect(error?.description.contains(host) == true)
        configuration.insecure = true
        try configuration.validate()
    }

    @Test(
        arguments: [
            (4 << 20, 4 << 20, 16 << 20, nil), (4 << 20, 4 << 20, (16 << 20) - 1, "four of such segments"),
            (1 << 30, 1 << 30, 64 << 20, "four of such segments"), (8 << 20, 4 << 20, nil, "more than segment-max"),
            (1 << 30, 1 << 30, nil, nil),
        ] as [(Int, Int, Int64?, String?)])
    func `The log must hold four of its smallest segments`(
        _ least: Int, _ most: Int, _ log: Int64?, _ refusal: String?
    ) throws {
        var configuration = self.configuration()
        configuration.storage.segmentBytesMin = least
        configuration.storage.segmentBytesMax = most
        configuration.storage.logBytesMax = log
        guard let refusal else { return try configuration.validate() }
        let error = #expect(throws: NodeError.self) { try configuration.validate() }
        #expect(error?.description.contains(refusal) == true, "\(error?.description ?? "")")
    }

    @Test func `Each value that is not allowed is named with what is`() throws {
        try self.configuration().validate()
        let cases: [(WritableKeyPath<NodeConfiguration, Int>, [Int], String)] = [
            (\.port, [-1, 65_536], "0 to 65535"), (\.loops, [0, 65], "1 to 64"),
            (\.connectionsMax, [0, 65_537], "1 to 65536"), (\.putCreditBytes, [0], "1 to"),
            (\.putCreditRequests, [0], "1 to"), (\.frameBytesMax, [4095, (16 << 20) + 1], "4096 to 16777216"),
            (\.receiveBytes, [0, 8 << 20], "4096 to 4194304"), (\.frameMemoryBytesMax, [1], "16777216 to"),
            (\.readMemoryBytesMax, [1], "33554432 to"), (\.answerBytesMax, [1], "65536 to"),
            (\.waitingRequestsMax, [0], "1 to"), (\.subscriptionsMax, [0], "1 to"), (\.waitersMax, [0], "1 to"),
        ]
        for (path, values, allowed) in cases {
            for value in values {
                var configuration = self.configuration()
                configuration[keyPath: path] = value
                let error = #expect(throws: NodeError.self) { try configuration.validate() }
                #expect(error?.description.contains("\(value)") == true)
                #expect(error?.description.contains(allowed) == true, "\(error?.description ?? "")")
            }
        }
        var configuration = self.configuration()
        configuration.helloTimeoutMillis = 0
        #expect(throws: NodeError.self) { try configuration.validate() }
        configuration = self.configuration()
        configuration.host = ""
        #expect(throws: NodeError.self) { try configuration.validate() }
    }
}
