// SPDX-License-Identifier: Apache-2.0

/// What the names of streams, applications and consumers have in common (docs/kinesis-semantics.md, Names).
enum NameRule {
    static func check(_ text: String, _ what: String) throws(WeirError) {
        let allowed = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                return true
            default: return false
            }
        }
        guard Limits.nameCharacters.contains(text.utf8.count), allowed else {
            throw WeirError(
                .invalidArgument,
                "\(what) '\(text.prefix(140))' is not allowed: \(Limits.nameCharacters.lowerBound) to "
                    + "\(Limits.nameCharacters.upperBound) of a-z, A-Z, 0-9, '_', '.' and '-'")
        }
    }
}
