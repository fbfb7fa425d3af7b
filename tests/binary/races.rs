//! Many at once, between processes of the service.

use std::sync::Barrier;
use std::thread;

use diesel::prelude::*;
use gatehouse::db::schema::users;

use crate::program::{Home, PASSWORD};

const CROWD: usize = 32;

#[test]
fn b66_one_address_signed_up_at_two_processes_at_once_is_one_account() {
    let home = Home::new().with("ROCKET_DATABASE_WAIT", "60s").with("ROCKET_HASH_QUEUE", "1000");
    let servers = [home.start(), home.start()];
    let barrier = Barrier::new(CROWD);
    let answers: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CROWD)
            .map(|number| {
                let (server, barrier) = (&servers[number % servers.len()], &barrier);
                scope.spawn(move || {
                    let mut program = server.program();
                    let email = ["ann@example.com", "Ann@EXAMPLE.com"][number / 2 % 2];
                    barrier.wait();
                    program.post("/users", &[("email", email), ("password", PASSWORD)])
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("answered")).collect()
    });
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(made, 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.is(400).says("email already registered");
    }
    assert_eq!(users::table.count().get_result(&mut home.database()), Ok(1));
}
