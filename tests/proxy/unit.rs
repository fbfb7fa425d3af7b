//! `deploy/gatehouse.service`, as systemd itself judges it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// What `systemd-analyze security` may find at most, in tenths: from 0 to 100.
const MOST_EXPOSURE: &str = "10";

fn systemd_analyze(arguments: &[&str]) -> (Output, String) {
    let done = Command::new("systemd-analyze").args(arguments).env("LC_ALL", "C.UTF-8").output();
    let done = done.unwrap_or_else(|cause| {
        panic!(
            "systemd-analyze does not start ({cause}). `script/test` installs it (Debian: systemd)"
        )
    });
    let said = [done.stdout.as_slice(), done.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (done, said)
}

fn unit() -> String {
    format!("{}/deploy/gatehouse.service", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_services_exposure_is_low() {
    let threshold = format!("--threshold={MOST_EXPOSURE}");
    let (done, said) =
        systemd_analyze(&["security", "--offline=yes", "--no-pager", &threshold, &unit()]);
    let verdict = said.lines().find(|line| line.contains("Overall exposure level"));
    println!("{}", verdict.unwrap_or(&said));
    assert!(verdict.is_some() && done.status.success(), "{said}");
}

#[test]
fn systemd_finds_no_fault_in_the_unit() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(unit()).expect("the unit");
    let program = "/usr/local/bin/gatehouse";
    assert!(text.contains(program), "{text}");
    // The only thing that is elsewhere here.
    let text = text.replace(program, env!("CARGO_BIN_EXE_gatehouse"));
    let path = folder.path().join("gatehouse.service");
    fs::write(&path, &text).expect("written");
    verified(&path, "");
    fs::write(&path, text.replace("ProtectHome=", "ProtectHouse=")).expect("written");
    verified(&path, "ProtectHouse");
}

/// What systemd finds at fault in a unit, if anything, names `fault`.
#[track_caller]
fn verified(unit: &Path, fault: &str) {
    let (_, said) = systemd_analyze(&["verify", "--man=no", &unit.display().to_string()]);
    assert_eq!(said.trim().is_empty(), fault.is_empty(), "{said}");
    assert!(said.contains(fault), "{said}");
}
