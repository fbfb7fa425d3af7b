//! A client written to the exercise's text for its Flask server, from its first line to its last.

use std::process::Command;

use gatehouse::config::Config;

use crate::program::{Home, Process};
use crate::smtp::PYTHON;

#[test]
fn the_exercise_s_client_passes_from_its_first_line_to_its_last() {
    let home = Home::new().with("ROCKET_PROFILE", "classroom");
    let server = home.start();
    assert!(server.err().contains("CLASSROOM PROFILE"), "{}", server.err());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/binary/classroom_client.py");
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        let url = format!("http://{host}:{}", server.address.port());
        let mut command = Command::new(PYTHON);
        command.args(["-I", script, &url, &format!("{host}@example.com")]).env_clear();
        let ended = Process::spawn(command).wait(std::time::Duration::from_secs(60));
        ended.exits(0).says("every line passed");
    }
}

#[test]
fn the_classroom_listens_on_port_5000_of_this_machine_alone() {
    let classroom = ("ROCKET_PROFILE", "classroom");
    let config = Config::from_parts("", &[classroom]).expect("good settings");
    assert_eq!((config.port, config.address.is_loopback()), (5000, true));
    for address in ["0.0.0.0", "192.0.2.1", "::"] {
        let home = Home::new().with("ROCKET_PROFILE", "classroom").with("ROCKET_ADDRESS", address);
        home.run(&[]).exits(2).says("address").says("classroom").complains_in_one_line();
    }
}
