// SPDX-License-Identifier: Apache-2.0
import Logging
import WeirIO
import WeirModel
import WeirServer
import WeirStorage

extension Setting {
    /// Every setting, in the order of `config/weir.yaml`.
    static let all: [Setting] = Self.general + Self.storage + Self.connections + Self.memory + Self.limits

    private static let general: [Setting] = [
        .text("data-dir", \.node.storage.folder, allowed: "the path of a folder"),
        Setting(
            path: "listen", allowed: "HOST:PORT with a port from 0 to 65535",
            read: { text, settings throws(Failure) in
                settings.listen = try ServerAddress(parsing: text, lowestPort: 0)
            }, show: { $0.listen.description }),
        .flag("insecure", \.node.insecure),
        Setting(
            path: "deliver-to", allowed: "the path of a folder, or none",
            read: { text, settings throws(Failure) in
                guard !text.isEmpty else { throw Failure(.failed, "") }
                settings.deliverTo = text == "none" ? nil : text
            }, show: { $0.deliverTo ?? "none" }),
        .duration("drain", \.drainMillis, 0...3_600_000),
        Setting(
            path: "log-level",
            allowed: Self.levels.joined(separator: ", "),
            read: { text, settings throws(Failure) in
                guard let level = Logger.Level(rawValue: text) else { throw Failure(.failed, "") }
                settings.logLevel = level
            }, show: { $0.logLevel.rawValue }),
        Setting(
            path: "event-loops", allowed: "auto, or a whole number from 1 to 64",
            read: { text, settings throws(Failure) in
                settings.eventLoops = text == "auto" ? nil : try Arguments.number(text, 1...64)
            }, show: { $0.eventLoops.map(String.init) ?? "auto" }),
    ]

    static let levels = Logger.Level.allCases.map(\.rawValue)

    private static let storage: [Setting] = [
        Setting(
            path: "storage.write-mode", allowed: WriteMode.allCases.map(\.rawValue).joined(separator: ", "),
            read: { text, settings throws(Failure) in
                guard let mode = WriteMode(rawValue: text) else { throw Failure(.failed, "") }
                settings.node.storage.writeMode = mode
            }, show: { $0.node.storage.writeMode.rawValue }),
        .autoSize("storage.log-max-bytes", \.node.storage.logBytesMax, 64 << 20...(1 << 50)),
        .autoSize("storage.free-disk-floor", \.node.storage.freeBytesFloor, 0...(1 << 50)),
        .size("storage.segment-min", \.node.storage.segmentBytesMin, 4 << 20...(1 << 30)),
        .size("storage.segment-max", \.node.storage.segmentBytesMax, 4 << 20...(1 << 30)),
    ]

    private static let connections: [Setting] = [
        .number("connections.max", \.node.connectionsMax, 1...65_536),
        .size("connections.frame-max", \.node.frameBytesMax, Limits.helloFrameBytesMax...Limits.frameBytesMax),
        .size("connections.put-credit", \.node.putCreditBytes, 1...(1 << 30)),
        .number("connections.put-credit-requests", \.node.putCreditRequests, 1...65_536),
        .size("connections.receive-buffer", \.node.receiveBytes, 4096...(4 << 20)),
        .size("connections.unread-answers", \.node.answerBytesMax, 1 << 16...(1 << 30)),
        .number("connections.waiting-requests", \.node.waitingRequestsMax, 1...65_536),
        .number("connections.subscriptions", \.node.subscriptionsMax, 1...65_536),
        .duration("connections.hello-timeout", \.node.helloTimeoutMillis, 1...3_600_000),
        .duration("connections.stall-timeout", \.node.stallTimeoutMillis, 1...3_600_000),
        .duration("connections.unread-timeout", \.node.unreadTimeoutMillis, 1...3_600_000),
        .duration("connections.linger", \.node.lingerMillis, 1...3_600_000),
    ]

    private static let memory: [Setting] = [
        .size("memory.tail", \.node.storage.tailBytes, 1 << 20...(1 << 40)),
        .size("memory.pending", \.node.storage.pendingBytesMax, 32 << 20...(1 << 40)),
        .size("memory.index", \.node.storage.indexBytesMax, 1 << 20...(1 << 40)),
        .size("memory.frames", \.node.frameMemoryBytesMax, Limits.frameBytesMax...(1 << 40)),
        .size("memory.reads", \.node.readMemoryBytesMax, 32 << 20...(1 << 40)),
        .size("memory.answers", \.node.heldMemoryBytesMax, 1 << 20...(1 << 40)),
    ]

    private static let limits: [Setting] = [
        .number("limits.streams", \.node.storage.bounds.streamsMax, 1...1_000_000),
        .number("limits.open-shards", \.node.storage.bounds.openShardsMax, 1...1_000_000),
        .number("limits.listed-shards", \.node.storage.bounds.listedShardsMax, 1...10_000_000),
        .number("limits.waiters", \.node.waitersMax, 1...(1 << 24)),
    ]
}
