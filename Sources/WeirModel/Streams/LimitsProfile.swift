// SPDX-License-Identifier: Apache-2.0

/// Which rates the shards of a stream have. A stream keeps the profile and not its numbers: what a profile means can
/// change with a version, and then holds for all streams that have it.
public enum LimitsProfile: Hashable, Sendable {
    /// As Kinesis has them (docs/kinesis-semantics.md, Limits).
    case kinesis
    /// None.
    case open
    /// These, whatever the profiles mean.
    case explicit(RateLimits)

    /// What the profile means in this version.
    public var rates: RateLimits {
        switch self {
        case .kinesis: RateLimits(bytesIn: 1 << 20, recordsIn: 1000, bytesOut: 2 << 20, readsOut: 5)
        case .open: RateLimits(bytesIn: nil, recordsIn: nil, bytesOut: nil, readsOut: nil)
        case .explicit(let rates): rates
        }
    }

    /// What a writer meant who knew no profiles: data folders of format 1, and clients without the feature. The numbers
    /// are those that the profiles had then, and stay.
    package init(named rates: RateLimits) {
        switch rates {
        case RateLimits(bytesIn: 1 << 20, recordsIn: 1000, bytesOut: 2 << 20, readsOut: 5): self = .kinesis
        case RateLimits(bytesIn: nil, recordsIn: nil, bytesOut: nil, readsOut: nil): self = .open
        default: self = .explicit(rates)
        }
    }
}

extension LimitsProfile: CustomStringConvertible {
    /// `kinesis`, `open`, or the explicit form; `init(parsing:)` reads it.
    public var description: String {
        switch self {
        case .kinesis: "kinesis"
        case .open: "open"
        case .explicit(let rates): rates.description
        }
    }

    /// Reads `kinesis`, `open`, or what `RateLimits(parsing:)` reads.
    public init(parsing text: String) throws(WeirError) {
        switch text {
        case "kinesis": self = .kinesis
        case "open": self = .open
        default:
            do {
                self = .explicit(try RateLimits(parsing: text))
            } catch {
                throw WeirError(
                    .invalidArgument, "limits '\(text.prefix(140))' are not 'kinesis', 'open', or \(RateLimits.form)")
            }
        }
    }
}
