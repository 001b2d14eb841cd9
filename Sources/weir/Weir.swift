// SPDX-License-Identifier: Apache-2.0
import WeirCommands

@main
enum Weir {
    static func main() {
        Program.main()
    }
}
