// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The files that the gates look at: those of the repository, or a few made up by a canary.
struct Tree: Sendable {
    struct File: Sendable {
        /// From the root, such as `Sources/WeirModel/Bytes.swift`.
        let path: String
        let text: String
        let lines: [String]
        /// Code told from comments and strings; of a file that is not Swift or C, nothing.
        let masked: MaskedCode

        init(_ path: String, _ text: String) {
            self.path = path
            self.text = text
            self.lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            let isC = path.hasSuffix(".c") || path.hasSuffix(".h")
            self.masked = MaskedCode(isC || path.hasSuffix(".swift") ? text : "", isC: isC)
        }

        /// The part behind the last dot of the name; empty when there is none.
        var fileExtension: String {
            let name = self.path.split(separator: "/").last ?? ""
            guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
            return String(name[name.index(after: dot)...])
        }

        var isSwift: Bool { self.fileExtension == "swift" }
        var isC: Bool { self.fileExtension == "c" || self.fileExtension == "h" }
        var isMarkdown: Bool { self.fileExtension == "md" }
        /// A program without an extension, or of a script language.
        var isScript: Bool { self.text.hasPrefix("#!") }
        var isSource: Bool { self.isSwift || self.isC || self.isScript }
    }

    let files: [File]
    /// Everything that a link may lead to: files of any kind, and folders.
    let paths: Set<String>

    init(_ files: [File], otherPaths: Set<String> = []) {
        self.files = files
        var paths = otherPaths
        for file in files {
            let parts = file.path.split(separator: "/")
            for count in 1...parts.count { paths.insert(parts.prefix(count).joined(separator: "/")) }
        }
        self.paths = paths
    }

    /// What ships, and what stands beside the tests: modules, and no test itself.
    var ofModules: [File] { ["Sources", "Examples", "Tests/Support", "Tests/Tools"].flatMap(self.under) }

    func file(_ path: String) -> File? { self.files.first { $0.path == path } }
    func under(_ folder: String) -> [File] { self.files.filter { $0.path.hasPrefix(folder + "/") } }
}

extension Tree {
    private static let folders = ["Sources", "Examples", "Tests", "Benchmarks", "config", "scripts", "docs", ".ci"]
    private static let textExtensions: Set<String> = ["swift", "c", "h", "md", "json", "py", "sh", "yaml", "yml", ""]

    /// The repository that this file belongs to.
    static let repository = Tree.reading(root: Self.root)

    /// Three folders above this one, links resolved.
    static let root: String = {
        var url = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<4 { url.deleteLastPathComponent() }
        return url.path
    }()

    static func reading(root: String) -> Tree {
        let manager = FileManager.default
        var found: [String] = []
        for name in (try? manager.contentsOfDirectory(atPath: root)) ?? [] where !Self.folders.contains(name) {
            var isFolder: ObjCBool = false
            if manager.fileExists(atPath: root + "/" + name, isDirectory: &isFolder), !isFolder.boolValue {
                found.append(name)
            }
        }
        for folder in Self.folders {
            guard let names = manager.enumerator(atPath: root + "/" + folder) else { continue }
            for case let name as String in names { found.append(folder + "/" + name) }
        }
        // A second build folder inside a folder, such as that of Benchmarks, holds the files of others.
        found.removeAll { $0.split(separator: "/").contains { $0.hasPrefix(".build") || $0 == "__pycache__" } }
        var files: [File] = []
        for path in found.sorted() {
            guard Self.textExtensions.contains(File(path, "").fileExtension),
                let bytes = manager.contents(atPath: root + "/" + path)
            else { continue }
            files.append(File(path, String(decoding: bytes, as: UTF8.self)))
        }
        return Tree(files, otherPaths: Set(found))
    }
}
