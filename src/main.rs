//! The program `gatehouse`: parses the command line and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatehouse::cli::run()
}
