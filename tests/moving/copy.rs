//! `gatehouse database copy`: everything arrives, as it was, or nothing does.

use std::fs;

use diesel::connection::SimpleConnection;

use crate::contents::{dump, make, many, odd, open};
use crate::program::{Home, PASSWORD};
use crate::rows::select;
use crate::server::{Database, random_key};

/// The lines of tables, without the last word, which names the places.
fn sums(out: &str) -> Vec<&str> {
    out.lines().filter(|line| line.split_whitespace().count() == 3).collect()
}

#[test]
fn odd_values_survive_the_way_to_postgresql_and_back() {
    let (home, there, back) = (Home::new(), Database::new(), Database::new());
    odd(&home, "a.db");
    let before = dump(&home.file("a.db"));
    let out = home.run(&["database", "copy", "sqlite:a.db", &there.url]);
    out.exits(0).says("every row is there and the same").says("stays behind");
    let forth = home.run(&["database", "copy", &there.url, "sqlite:b.db"]);
    forth.exits(0);
    assert_eq!(dump(&home.file("a.db")), before, "the source is as it was");
    assert_eq!(dump(&home.file("b.db")), before);
    assert_eq!(home.mode("b.db"), 0o600);
    // The same checksums whichever database the rows were read from.
    assert_eq!(sums(&out.out).len(), 9, "{out:?}");
    assert_eq!(sums(&out.out), sums(&forth.out));
    home.run(&["database", "copy", "sqlite:b.db", &back.url]).exits(0);
    assert_eq!(there.dump(), back.dump());
    let bytes = "SELECT encode(content, 'hex') AS value FROM outbox WHERE id = 7";
    assert_eq!(select(&mut there.connection(), bytes), ["00ff80c328"]);
}

#[test]
fn a_number_that_was_given_once_is_not_given_again_after_the_move() {
    let (home, there) = (Home::new(), Database::new());
    make(&home, "a.db");
    let row = "(id, email, email_key, hashed_password, created_at, password_changed_at)";
    let two = format!(
        "INSERT INTO users {row} VALUES (1, 'a', 'a', '', 1, 1), (50, 'b', 'b', '', 1, 1); \
         DELETE FROM users WHERE id = 50"
    );
    open(&home.file("a.db")).batch_execute(&two).expect("inserted");
    home.run(&["database", "copy", "sqlite:a.db", &there.url]).exits(0);
    home.run(&["database", "copy", &there.url, "sqlite:b.db"]).exits(0);
    let next = "INSERT INTO users (email, email_key, hashed_password, created_at, \
                password_changed_at) VALUES ('c', 'c', '', 1, 1) \
                RETURNING CAST(id AS TEXT) AS value";
    assert_eq!(select(&mut there.connection(), next), ["51"]);
    assert_eq!(select(&mut open(&home.file("b.db")), next), ["51"]);
}

#[test]
fn a_target_that_is_not_empty_is_refused_and_stays_as_it_is() {
    let (home, there) = (Home::new(), Database::new());
    many(&home, "a.db", 3);
    odd(&home, "b.db");
    home.run(&["database", "copy", "sqlite:b.db", &there.url]).exits(0);
    let (before, file) = (there.dump(), dump(&home.file("b.db")));
    for (from, to) in [
        ("sqlite:a.db", there.url.as_str()),
        ("sqlite:a.db", "sqlite:b.db"),
        (&there.url, "sqlite:b.db"),
        ("sqlite:b.db", "sqlite:b.db"),
        (&there.url, &there.url),
    ] {
        let refused = home.run(&["database", "copy", from, to]);
        refused.exits(1).says("it is not empty: users has 3 rows").complains_in_one_line();
    }
    assert_eq!(there.dump(), before);
    assert_eq!(dump(&home.file("b.db")), file);
}

#[test]
fn what_is_no_database_of_this_version_is_refused_in_one_line_and_nothing_is_made() {
    let (home, there) = (Home::new(), Database::new());
    many(&home, "old.db", 1);
    many(&home, "new.db", 1);
    let version = |change: &str| format!("{change} __diesel_schema_migrations");
    let older = version("DELETE FROM") + " WHERE version = '0006'";
    open(&home.file("old.db")).batch_execute(&older).expect("older");
    let newer = version("INSERT INTO") + " (version) VALUES ('9999')";
    open(&home.file("new.db")).batch_execute(&newer).expect("newer");
    home.write("text.db", &"no database ".repeat(400));
    home.write("empty.db", "");
    home.chmod("empty.db", 0o600);
    let listing = home.listing();
    let nobody = there.url.replace("postgresql://", "postgresql://eve:sesame@") + "x";
    for (from, why, code) in [
        ("sqlite:none.db", "there is no such file", 1),
        ("sqlite:text.db", "file is not a database", 1),
        ("sqlite:empty.db", "holds no data of Gatehouse", 1),
        (&there.url, "holds no data of Gatehouse", 1),
        ("sqlite:old.db", "run `gatehouse migrate` on it first", 1),
        ("sqlite:new.db", "made by a newer version", 1),
        ("mysql://a/b", "FROM: must be \"sqlite:PATH\"", 2),
        (&nobody.replace("postgres@", ""), "cannot open the database postgresql://", 1),
        ("postgresql://a@127.0.0.1:1/b", "cannot open the database", 1),
        ("postgresql://a@127.0.0.1/b?colour=blue", "FROM: ", 2),
    ] {
        let refused = home.run(&["database", "copy", from, "sqlite:target.db"]);
        refused.exits(code).says(why).complains_in_one_line();
        assert!(!refused.err.contains("sesame"), "{refused:?}");
        assert_eq!(home.listing(), listing, "{from}");
    }
    let refused = home.run(&["database", "copy", "sqlite:old.db", "nowhere"]);
    refused.exits(2).says("TO: must be").complains_in_one_line();
}

#[test]
fn the_password_comes_from_a_file_that_the_process_list_does_not_show() {
    let (home, there) = (Home::new(), Database::new());
    many(&home, "a.db", 2);
    home.write("password", "sesame\n");
    // This server asks nobody for a password; that it is taken, and not for the file, is what shows.
    let home = home.with("ROCKET_DATABASE_PASSWORD_FILE", "password");
    home.run(&["database", "copy", "sqlite:a.db", &there.url]).exits(0);
    let with_its_own = there.url.replace("postgres@", "postgres:another@");
    home.run(&["database", "copy", &with_its_own, "sqlite:b.db"]).exits(0);
    assert_eq!(dump(&home.file("a.db")), dump(&home.file("b.db")));
    fs::remove_file(home.file("password")).expect("removed");
    home.run(&["database", "copy", "sqlite:a.db", "sqlite:c.db"]).exits(2).says("password");
}

#[test]
fn a_signed_in_browser_stays_signed_in_on_the_other_database() {
    let key = random_key();
    let there = Database::new();
    let mut home = Home::new().with("ROCKET_SECRET_KEY", &key);
    let server = home.start();
    let cookies = server.logged_in("ann@example.com").cookies;
    server.stop();
    home.run(&["database", "copy", "sqlite:data/gatehouse.db", &there.url]).exits(0);
    home.set("ROCKET_DATABASE_URL", &there.url);
    let server = home.start();
    let mut ann = server.program();
    ann.cookies = cookies;
    ann.get("/profile").is(200).says("ann@example.com");
    // And new rows find their numbers.
    server.logged_in("eve@example.com").get("/profile").is(200);
    server.stop();
    let mut home = Home::new().with("ROCKET_SECRET_KEY", &key);
    home.run(&["database", "copy", &there.url, "sqlite:data/gatehouse.db"]).exits(0);
    home.unset("ROCKET_DATABASE_URL");
    let server = home.start();
    let mut again = server.program();
    again.cookies = ann.cookies;
    again.get("/profile").is(200).says("ann@example.com");
    again.post("/sessions", &[("email", "eve@example.com"), ("password", PASSWORD)]).is(200);
}
