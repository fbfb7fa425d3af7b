//! docs/performance.md, its charts and the README's figures are what bench/results.json says.

use std::process::Command;

use crate::root;

#[test]
fn the_figures_are_those_that_were_measured() {
    let report = root().join("bench/report.py");
    let check = Command::new("python3").arg(report).arg("--check").output().expect("python3");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}
