// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A file that is being written, with what is between its records and the disk.
///
/// Everything can be repeated when the destination refuses it: what is compressed stays until it is written.
final class PartFile {
    /// Records are compressed so many bytes at a time, and written so many at a time.
    static let inputBytes = 64 << 10
    private static let outputBytes = 256 << 10

    let unfinished: String
    private let compression: Compression
    private let file: any UnfinishedFile
    private var compressor: Compressor?
    private var output: [UInt8] = []
    /// What is to be compressed next.
    var input: [UInt8] = []

    init(_ unfinished: String, _ file: any UnfinishedFile, _ compression: Compression) {
        self.unfinished = unfinished
        self.file = file
        self.compression = compression
    }

    /// Of the file so far, as it is known: what the compressor holds back is not counted.
    var storedBytes: UInt64 { self.file.stored.bytes + UInt64(self.output.count) }
    /// Bytes in memory, but for the compressor.
    var heldBytes: Int { self.input.capacity + self.output.capacity }

    func compress() throws(WeirError) {
        guard !self.input.isEmpty else { return }
        let compressor: Compressor
        if let begun = self.compressor { compressor = begun } else { compressor = try Compressor(self.compression) }
        self.compressor = compressor
        try Self.compress(&self.input, with: compressor, ends: false, to: &self.output)
    }

    private static func compress(
        _ input: inout [UInt8], with compressor: Compressor, ends: Bool, to output: inout [UInt8]
    ) throws(WeirError) {
        let result: Result<Void, WeirError> = input.withUnsafeBytes { raw in
            do throws(WeirError) {
                try compressor.write(raw, ends: ends, to: &output)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
        input.removeAll(keepingCapacity: true)
    }

    func write(isAll: Bool = false) throws(DestinationError) {
        guard self.output.count >= (isAll ? 1 : Self.outputBytes) else { return }
        let result: Result<Void, DestinationError> = self.output.withUnsafeBytes { raw in
            do throws(DestinationError) {
                try self.file.append(raw)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
        self.output.removeAll(keepingCapacity: true)
    }

    /// Ends the frame and gives the compressor back: what comes later makes another frame. `write(isAll:)` follows.
    func endFrame() throws(WeirError) {
        try self.compress()
        guard let compressor = self.compressor else { return }
        try Self.compress(&self.input, with: compressor, ends: true, to: &self.output)
        self.compressor = nil
    }

    /// Holds nothing of the system and no memory; `endFrame` and `write(isAll:)` have come before.
    func rest() {
        self.file.rest()
        self.input = []
        self.output = []
    }

    /// Returns when all of it is on the disk.
    func sync() throws(DestinationError) -> Stored {
        try self.file.sync()
        return self.file.stored
    }
}
