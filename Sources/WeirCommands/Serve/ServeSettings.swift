// SPDX-License-Identifier: Apache-2.0
import Logging
import WeirModel
import WeirServer
import WeirStorage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Everything that `weir serve` can be told, at its defaults: those of the modules that it is handed to.
struct ServeSettings: Sendable {
    var node: NodeConfiguration
    var listen = ServerAddress.standard
    /// How long clients that are connected may finish when the server is stopped, in milliseconds.
    var drainMillis: Int64 = 30_000
    var logLevel = Logger.Level.info
    /// The folder below which deliveries write files; `nil`: they write none.
    var deliverTo: String?
    /// `nil`: as many as the processors of the machine suggest.
    var eventLoops: Int?

    init() {
        self.node = NodeConfiguration(storage: StorageConfiguration(folder: "./weir-data"), cores: Self.cores)
    }

    private static var cores: Int { Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// What the node is started with.
    var configuration: NodeConfiguration {
        var node = self.node
        node.host = self.listen.host
        node.port = self.listen.port
        if let eventLoops { node.loops = eventLoops }
        node.serverName = Version.text
        return node
    }
}

/// One setting of weir.yaml: its name, what is allowed, and the way from and to text.
struct Setting: Sendable {
    /// `name`, or `section.name`.
    let path: String
    /// What a person may write, for messages.
    let allowed: String
    let read: @Sendable (String, inout ServeSettings) throws(Failure) -> Void
    let show: @Sendable (ServeSettings) -> String

    var section: String? { self.path.contains(".") ? String(self.path.prefix { $0 != "." }) : nil }
    var name: String { String(self.path.split(separator: ".").last ?? "") }

    /// Reads `text`; what is refused is told with the setting's name and what is allowed.
    func apply(_ text: String, to settings: inout ServeSettings) throws(Failure) {
        do {
            try self.read(text, &settings)
        } catch {
            throw Failure(.failed, "'\(text.prefix(80))' is not allowed for \(self.path): \(self.allowed)")
        }
    }
}

// MARK: Kinds of settings

extension Setting {
    typealias Path<Value> = WritableKeyPath<ServeSettings, Value> & Sendable

    private static let refused = Failure(.failed, "refused")

    static func text(_ path: String, _ to: Path<String>, allowed: String) -> Setting {
        Setting(
            path: path, allowed: allowed,
            read: { text, settings throws(Failure) in
                guard !text.isEmpty else { throw Self.refused }
                settings[keyPath: to] = text
            }, show: { $0[keyPath: to] })
    }

    static func flag(_ path: String, _ to: Path<Bool>) -> Setting {
        Setting(
            path: path, allowed: "true or false",
            read: { text, settings throws(Failure) in
                guard let value = Bool(text) else { throw Self.refused }
                settings[keyPath: to] = value
            }, show: { String($0[keyPath: to]) })
    }

    static func number(_ path: String, _ to: Path<Int>, _ allowed: ClosedRange<Int>) -> Setting {
        Setting(
            path: path, allowed: "a whole number from \(allowed.lowerBound) to \(allowed.upperBound)",
            read: { text, settings throws(Failure) in
                settings[keyPath: to] = try Arguments.number(text, allowed)
            }, show: { String($0[keyPath: to]) })
    }

    static func size(_ path: String, _ to: Path<Int>, _ allowed: ClosedRange<Int>) -> Setting {
        let range = Int64(allowed.lowerBound)...Int64(allowed.upperBound)
        return Setting(
            path: path, allowed: Self.sizes(range),
            read: { text, settings throws(Failure) in
                settings[keyPath: to] = Int(try SizeText.parse(text, in: range))
            }, show: { SizeText.describe(Int64($0[keyPath: to])) })
    }

    /// A size, or `auto` for what the system suggests.
    static func autoSize(_ path: String, _ to: Path<Int64?>, _ allowed: ClosedRange<Int64>) -> Setting {
        Setting(
            path: path, allowed: "auto, or " + Self.sizes(allowed),
            read: { text, settings throws(Failure) in
                settings[keyPath: to] = text == "auto" ? nil : try SizeText.parse(text, in: allowed)
            }, show: { $0[keyPath: to].map { SizeText.describe($0) } ?? "auto" })
    }

    private static func sizes(_ allowed: ClosedRange<Int64>) -> String {
        "a size from \(SizeText.describe(allowed.lowerBound)) to \(SizeText.describe(allowed.upperBound))"
    }

    static func duration(_ path: String, _ to: Path<Int64>, _ allowed: ClosedRange<Int64>) -> Setting {
        Setting(
            path: path,
            allowed: "a duration from \(DurationText.describe(allowed.lowerBound)) to "
                + DurationText.describe(allowed.upperBound),
            read: { text, settings throws(Failure) in
                settings[keyPath: to] = try DurationText.parse(text, in: allowed)
            }, show: { DurationText.describe($0[keyPath: to]) })
    }
}
