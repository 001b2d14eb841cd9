// SPDX-License-Identifier: Apache-2.0
import Yams

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Reads `weir.yaml`: strict, so that a mistake is told and not ignored.
enum ConfigFile {
    /// A file larger than this is something else.
    static let bytesMax = 1 << 20

    static func read(_ path: String, into settings: inout ServeSettings) throws(Failure) {
        try Self.apply(try Self.contents(path), named: path, to: &settings)
    }

    static func contents(_ path: String) throws(Failure) -> String {
        guard let file = fopen(path, "re") else {
            throw Failure(.failed, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.bytesMax + 1) { buffer, count in
            count = fread(buffer.baseAddress, 1, buffer.count, file)
            failed = ferror(file) != 0
        }
        guard !failed else { throw Failure(.failed, "\(path) cannot be read: \(String(cString: strerror(errno)))") }
        guard bytes.count <= Self.bytesMax else { throw Failure(.failed, "\(path) is larger than 1 MiB") }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.failed, "\(path) is not UTF-8")
        }
        return text
    }

    /// Applies what the text says; an empty text says nothing.
    static func apply(_ yaml: String, named name: String, to settings: inout ServeSettings) throws(Failure) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw Failure(.failed, "\(name) is not YAML: \(error)")
        }
        guard let root, root.null == nil else { return }
        guard let mapping = root.mapping else {
            throw Failure(.failed, "\(name): settings are written as 'name: value'")
        }
        let sections = Set(Setting.all.compactMap(\.section))
        for (key, value) in mapping {
            let (place, text) = (Self.place(key, name), key.scalar?.string ?? "")
            guard sections.contains(text) else {
                try Self.apply(key, value, in: nil, name, &settings)
                continue
            }
            guard let members = value.mapping else {
                throw Failure(.failed, "\(place): \(text) is a section: below it, indented, \(Self.names(in: text))")
            }
            for (key, value) in members { try Self.apply(key, value, in: text, name, &settings) }
        }
    }

    private static func apply(
        _ key: Node, _ value: Node, in section: String?, _ name: String, _ settings: inout ServeSettings
    ) throws(Failure) {
        let text = key.scalar?.string ?? ""
        let path = section.map { "\($0).\(text)" } ?? text
        guard let setting = Setting.all.first(where: { $0.path == path }) else {
            throw Failure(
                .failed,
                "\(Self.place(key, name)): '\(text)' is not a setting; here there are "
                    + Self.names(in: section))
        }
        guard let scalar = value.scalar else {
            throw Failure(.failed, "\(Self.place(key, name)): \(path) takes one value: \(setting.allowed)")
        }
        do {
            try setting.apply(scalar.string, to: &settings)
        } catch {
            throw Failure(.failed, "\(Self.place(value, name)): \(error.description)")
        }
    }

    private static func names(in section: String?) -> String {
        var names: [String] = []
        for setting in Setting.all {
            if setting.section == section {
                names.append(setting.name)
            } else if section == nil, let other = setting.section, !names.contains(other) {
                names.append(other)
            }
        }
        return names.joined(separator: ", ")
    }

    private static func place(_ node: Node, _ name: String) -> String {
        node.mark.map { "\(name):\($0.line)" } ?? name
    }

    /// The settings as `weir.yaml` would say them.
    static func text(_ settings: ServeSettings) -> String {
        var text = ""
        var section: String?
        for setting in Setting.all {
            if setting.section != section {
                section = setting.section
                text += "\(section ?? ""):\n"
            }
            text += "\(section == nil ? "" : "  ")\(setting.name): \(setting.show(settings))\n"
        }
        return text
    }
}
