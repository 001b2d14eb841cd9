// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Whose files of a stream come into a folder.
package enum FolderClaim: Hashable, Sendable {
    /// `manifests`: folders get manifests, when they begin at or after this moment, in milliseconds since 1970: those
    /// before are not whole, because the application did not begin before.
    case application(ApplicationName, manifests: Int64? = nil)
    /// A backfill that cuts by these options.
    case backfill(String)

    /// No application has a name with a space.
    private static let backfillWord = "backfill "
    private static let manifestWord = " with manifests since "
    fileprivate static let bytesMax = 8 << 10

    fileprivate var text: String {
        switch self {
        case .application(let name, nil): "\(name)"
        case .application(let name, let since?): "\(name)\(Self.manifestWord)\(since)"
        case .backfill(let options): Self.backfillWord + options
        }
    }

    /// The claim of an application that stands in a folder.
    private static func application(_ text: String) -> (name: String, manifests: Int64?) {
        guard let word = text.firstRange(of: Self.manifestWord) else { return (text, nil) }
        return (String(text[..<word.lowerBound]), Int64(text[word.upperBound...]))
    }

    /// What stands in the folder, when `self` may take part in that; of several the first one says since when there are
    /// manifests.
    fileprivate func joining(_ found: String) -> FolderClaim? {
        if found == self.text { return self }
        guard case .application(let name, let manifests) = self else { return nil }
        let other = Self.application(found)
        guard other.name == name.description, (other.manifests == nil) == (manifests == nil) else { return nil }
        return .application(name, manifests: other.manifests)
    }

    /// Why `self` cannot take part in what was claimed by `other`.
    fileprivate func refusal(_ other: String, _ stream: StreamName, _ root: String) -> String {
        let application = Self.application(other).name
        return switch (self, other.hasPrefix(Self.backfillWord)) {
        case (.application(let name, let manifests), false) where application == name.description:
            manifests == nil
                ? "\(root) receives stream '\(stream)' with manifests, which have to have all files: say --manifest"
                : "\(root) receives stream '\(stream)' without manifests, which have to have all files: leave "
                    + "--manifest out, or deliver into another folder"
        case (.application, false):
            "\(root) receives stream '\(stream)' by application '\(application)': each record would be "
                + "there twice. Say --app \(application) to take part, or deliver into another folder"
        case (.application, true):
            "\(root) has a backfill of stream '\(stream)': records would be there twice. Deliver into another folder"
        case (.backfill, false):
            "\(root) receives stream '\(stream)' by application '\(application)': records would be there twice. Write "
                + "the range into another folder"
        case (.backfill(let options), true):
            "\(root) has a backfill of stream '\(stream)' that was cut by other options: records would be there twice. "
                + "There: \(other.dropFirst(Self.backfillWord.count)); here: \(options). Say the same, or write into "
                + "another folder"
        }
    }
}

extension FolderDestination {
    /// Notes whose files of this stream come here, so that two do not write each record twice. Throws when that is
    /// somebody else. Returns the claim that holds.
    ///
    /// `begins`: the application begins anew, so what an earlier one of its name said of manifests is over: it may
    /// begin behind records that are in no file.
    @discardableResult
    package func claim(
        _ stream: StreamName, _ claim: FolderClaim, begins: Bool = false
    ) throws(DestinationError) -> FolderClaim {
        let path = "\(self.staging)/\(stream)"
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw Self.error("write", path) }
        defer { close(file) }
        var memory = [UInt8](repeating: 0, count: FolderClaim.bytesMax)
        let count = system_read(file, &memory, memory.count)
        guard count >= 0 else { throw Self.error("read", path) }
        let found = String(decoding: memory.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        if !found.isEmpty {
            guard let joined = claim.joining(found) else {
                throw DestinationError(.later, claim.refusal(found, stream, self.root))
            }
            if !begins { return joined }
        }
        // Of what is there already, that behind the end of the line does not count.
        let text = Array("\(claim.text)\n".utf8)
        guard pwrite(file, text, text.count, 0) == text.count, fsync(file) == 0 else {
            throw Self.error("write", path)
        }
        return claim
    }

    /// Held while a backfill of the stream writes here; `nil`: another one does.
    package func lock(_ stream: StreamName) throws(DestinationError) -> FolderLock? {
        let path = "\(self.staging)/\(stream) backfill.lock"
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw Self.error("write", path) }
        return FolderLock(descriptor: file)
    }
}
