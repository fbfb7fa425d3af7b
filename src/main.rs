//! The program `gatehouse`: parses the command line and runs it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    gatehouse::cli::run()
}
