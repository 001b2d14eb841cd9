// SPDX-License-Identifier: Apache-2.0

/// Random numbers for pauses, names and ids: chance as an argument, so that tests are the same each time.
package typealias Dice = @Sendable () -> UInt64

package func systemDice() -> UInt64 { UInt64.random(in: .min ... .max) }
