// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirServer
import WeirStorage

@testable import WeirCommands

@Suite struct ConfigFileTests {
    /// The file of the repository: found from where this test stands.
    private static let path =
        #filePath.split(separator: "/").dropLast(4).reduce("") { $0 + "/" + $1 }
        + "/config/weir.yaml"

    private func settings(_ yaml: String) throws -> ServeSettings {
        var settings = ServeSettings()
        try ConfigFile.apply(yaml, named: "weir.yaml", to: &settings)
        return settings
    }

    private func refusal(_ yaml: String) -> String? {
        #expect(throws: Failure.self) { try self.settings(yaml) }?.description
    }

    @Test func theFileOfTheRepositoryNamesEverySettingAtItsDefault() throws {
        var settings = ServeSettings()
        // What the file does not name would keep these, and the comparison would tell.
        settings.node.storage.folder = "elsewhere"
        settings.drainMillis = 1
        settings.node.connectionsMax = 1
        settings.node.storage.tailBytes = 1
        settings.node.storage.bounds.streamsMax = 1
        try ConfigFile.read(Self.path, into: &settings)
        #expect(ConfigFile.text(settings) == ConfigFile.text(ServeSettings()))
        let lines = try ConfigFile.contents(Self.path).split(separator: "\n")
        let named = lines.filter { !$0.trimmed.hasPrefix("#") && $0.contains(":") }.map {
            $0.trimmed.prefix { $0 != ":" }
        }
        let expected = Set(Setting.all.map(\.name)).union(Setting.all.compactMap(\.section))
        #expect(Set(named.map(String.init)) == expected)
        #expect(named.count == Setting.all.count + Set(Setting.all.compactMap(\.section)).count)
    }

    @Test func theDefaultsAreAllowed() throws {
        try ServeSettings().configuration.validate()
        let again = try self.settings(ConfigFile.text(ServeSettings()))
        #expect(ConfigFile.text(again) == ConfigFile.text(ServeSettings()))
    }

    @Test func nothingSaidIsTheDefault() throws {
        for text in ["", "# only a comment\n", "---\n"] {
            #expect(ConfigFile.text(try self.settings(text)) == ConfigFile.text(ServeSettings()))
        }
    }

    @Test func takesWhatItSays() throws {
        let settings = try self.settings(
            """
            listen: 127.0.0.1:0
            drain: 5s
            event-loops: 2
            storage:
              write-mode: buffered
              log-max-bytes: 1GiB
            memory: {tail: "1MiB"}
            """)
        #expect(settings.configuration.port == 0)
        #expect(settings.drainMillis == 5000)
        #expect(settings.configuration.loops == 2)
        #expect(settings.configuration.storage.writeMode == .buffered)
        #expect(settings.configuration.storage.logBytesMax == 1 << 30)
        #expect(settings.configuration.storage.tailBytes == 1 << 20)
        #expect(settings.configuration.serverName == Version.text)
    }

    @Test func eachSettingReadsWhatItShows() throws {
        for setting in Setting.all {
            var settings = ServeSettings()
            try setting.apply(setting.show(settings), to: &settings)
            #expect(setting.show(settings) == setting.show(ServeSettings()), "\(setting.path)")
            #expect(throws: Failure.self, "\(setting.path)") { try setting.apply("", to: &settings) }
        }
    }

    static let wrong: [(yaml: String, sentence: String)] = [
        ("lisen: 127.0.0.1:7411", "weir.yaml:1: 'lisen' is not a setting; here there are data-dir, listen, insecure"),
        ("\nmemory:\n  tial: 5", "weir.yaml:3: 'tial' is not a setting; here there are tail, pending, index"),
        ("drain: 5 parsec", "weir.yaml:1: '5 parsec' is not allowed for drain: a duration from 0s to 1h"),
        (
            "connections:\n  max: 0",
            "weir.yaml:2: '0' is not allowed for connections.max: a whole number from 1 to 65536"
        ),
        ("insecure: yes", "true or false"),
        ("listen: 7411", "HOST:PORT"),
        ("storage: direct", "storage is a section"),
        ("drain: [5s]", "drain takes one value"),
        ("data-dir:", "not allowed for data-dir"),
        ("- a\n- b", "name: value"),
        ("drain: 5s\ndrain: 6s", "weir.yaml"),
        ("drain: {", "is not YAML"),
    ]

    @Test(arguments: Self.wrong)
    func saysWhatIsWrongAndWhatIsAllowed(yaml: String, sentence: String) throws {
        let message = try #require(self.refusal(yaml))
        #expect(message.contains(sentence), "\(message)")
    }

    @Test func saysThatAFileIsMissing() {
        var settings = ServeSettings()
        #expect(throws: Failure(.failed, "/nonexistent/weir.yaml cannot be read: No such file or directory")) {
            try ConfigFile.read("/nonexistent/weir.yaml", into: &settings)
        }
    }

    @Test func theHelpNamesWhatAllMemorySettingsComeTo() {
        let node = ServeSettings().configuration
        let sum =
            node.storage.tailBytes + node.storage.pendingBytesMax + node.storage.indexBytesMax
            + node.frameMemoryBytesMax + node.readMemoryBytesMax + node.heldMemoryBytesMax
        #expect(MemoryBound.bytes(ServeSettings()) == Int64(sum))
        #expect(ServeCommand.helpMessage().contains("896MiB"))
    }

    @Test func flagsWinOverTheFile() throws {
        let command = try #require(
            try WeirCommand.parseAsRoot([
                "serve", "--config", Self.path, "--drain", "7s", "--log-max-bytes", "2GiB", "--listen", "[::1]:0",
                "--insecure", "--data-dir", "elsewhere", "--log-level", "debug", "--write-mode", "direct",
            ]) as? ServeCommand)
        let settings = try command.settings()
        #expect(settings.drainMillis == 7000)
        #expect(settings.configuration.storage.logBytesMax == 2 << 30)
        #expect(settings.configuration.host == "::1")
        #expect(settings.configuration.insecure)
        #expect(settings.configuration.storage.folder == "elsewhere")
        #expect(settings.logLevel == .debug)
        #expect(settings.configuration.storage.writeMode == .direct)
    }

    @Test func listeningBeyondLoopbackHasToBeAskedFor() throws {
        let refused = try #require(try WeirCommand.parseAsRoot(["serve", "--listen", "0.0.0.0:0"]) as? ServeCommand)
        let error = #expect(throws: Failure.self) { try refused.settings() }
        #expect(error?.description.contains("--insecure") == true)
        #expect(error?.status == .failed)
        let asked = try #require(
            try WeirCommand.parseAsRoot(["serve", "--listen", "0.0.0.0:0", "--insecure"]) as? ServeCommand)
        #expect(try asked.settings().configuration.host == "0.0.0.0")
    }
}

extension Substring {
    fileprivate var trimmed: Substring { self.drop { $0 == " " } }
}
