// SPDX-License-Identifier: Apache-2.0
import WeirJSON

/// Columns for people, as wide as their widest cell.
struct Table {
    enum Alignment {
        case left
        case right
    }

    private let alignments: [Alignment]
    private var rows: [[String]]

    init(_ columns: [(title: String, alignment: Alignment)]) {
        self.alignments = columns.map(\.alignment)
        self.rows = [columns.map(\.title)]
    }

    mutating func append(_ row: [String]) {
        self.rows.append(row)
    }

    func write(to output: OutputBytes) {
        let widths = self.alignments.indices.map { column in self.rows.map { $0[column].count }.max() ?? 0 }
        for row in self.rows {
            var line = ""
            for (column, cell) in row.enumerated() {
                if column > 0 { line += "  " }
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line += self.alignments[column] == .left ? cell + padding : padding + cell
            }
            while line.last == " " { line.removeLast() }
            output.append(text: line + "\n")
        }
    }
}

/// Names and values for people, one a line.
struct Properties {
    private var rows: [(name: String, value: String)] = []

    mutating func append(_ name: String, _ value: String) {
        self.rows.append((name, value))
    }

    func write(to output: OutputBytes) {
        let width = self.rows.map(\.name.count).max() ?? 0
        for row in self.rows {
            let padding = String(repeating: " ", count: width - row.name.count)
            output.append(text: "\(row.name)\(padding)  \(row.value)\n")
        }
    }
}
