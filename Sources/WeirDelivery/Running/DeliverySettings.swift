// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirIO
import WeirModel

/// What all shards of a delivery have in common.
package struct DeliverySettings: Sendable {
    package var stream: StreamName
    /// Tells the stream from all others whose files may come into the same folder, in names of unfinished files.
    package var streamTag: String
    package var application: ApplicationName
    package var pattern: PrefixPattern
    package var compression: Compression
    package var files: DeliveryMachine.Settings
    package var form: RecordForm
    package var errorForm = ErrorForm.json
    /// Folders that begin then or later get manifests, in milliseconds since 1970; `nil`: none does.
    package var manifestsSince: Int64?
    package var clock: any Clock
    package var dice: Dice
    /// For tests: another order is a broken protocol.
    package var steps = NamingStep.order
    /// For tests: whoever ignores what its predecessor was about to do breaks the protocol.
    package var heedsIntents = true

    package init(
        stream: StreamName, streamTag: String, application: ApplicationName, pattern: PrefixPattern,
        compression: Compression, files: DeliveryMachine.Settings, form: RecordForm,
        clock: any Clock = SystemClock(), dice: @escaping Dice = systemDice
    ) {
        self.stream = stream
        self.streamTag = streamTag
        self.application = application
        self.pattern = pattern
        self.compression = compression
        self.files = files
        self.form = form
        self.clock = clock
        self.dice = dice
    }

    func rules(_ shard: ShardNumber) -> DeliveryProtocol.Rules {
        var rules = DeliveryProtocol.Rules(
            stream: self.stream, streamTag: self.streamTag, application: self.application, shard: shard,
            pattern: self.pattern, compression: self.compression, files: self.files)
        rules.notes = self.manifestsSince != nil
        rules.steps = self.steps
        rules.heedsIntents = self.heedsIntents
        return rules
    }
}
