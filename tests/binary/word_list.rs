//! A word list against the program with the limits that nobody has set: a thousand words, the right
//! one the five hundredth, sent as fast as they go, whatever the answers say.

use std::time::Instant;

use diesel::QueryableByName;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::http::{Answer, Visitor};
use crate::program::{Home, PASSWORD, Running};

const OWNER: &str = "owner@example.com";
const WORDS: usize = 1000;
const RIGHT: usize = 499;

/// The limits as they are when nobody sets them.
fn home() -> Home {
    let mut home = Home::new();
    for limit in ["ROCKET_LIMIT_LOGIN", "ROCKET_LIMIT_ASK", "ROCKET_LIMIT_MAIL"] {
        home.unset(limit);
    }
    home
}

/// How many passwords of the owner's account were looked at, as the program has counted.
fn counted(home: &Home) -> i64 {
    #[derive(QueryableByName)]
    struct Tries {
        #[diesel(sql_type = BigInt)]
        tries: i64,
    }
    let query = "SELECT tries FROM limits WHERE bucket LIKE 'log_in/account/86400/%'";
    diesel::sql_query(query).get_result::<Tries>(&mut home.database()).expect("one window").tries
}

/// By the rule in Rocket.toml: four at once, then one after 1 s, 2 s, 4 s …
fn most_checks(seconds: u64) -> usize {
    let (mut at, mut tries) = (0, 4);
    while tries < 100 {
        at += (1 << (tries - 4).min(10)).min(900);
        if at > seconds {
            break;
        }
        tries += 1;
    }
    tries
}

struct Attack<'a> {
    running: &'a Running,
    /// Sent along, a new one each time.
    forwarded: Option<fn(usize) -> String>,
    checked: usize,
    refused: usize,
}

impl Attack<'_> {
    #[track_caller]
    fn tries(&mut self, visitor: &mut Visitor, number: usize, word: &str) -> Answer {
        if let Some(forwarded) = self.forwarded {
            visitor.headers.retain(|(name, _)| name != "X-Forwarded-For");
            visitor.headers.push(("X-Forwarded-For".to_owned(), forwarded(number)));
        }
        let answer = visitor.post("/sessions", &[("email", OWNER), ("password", word)]);
        match answer.status {
            401 => self.checked += 1,
            429 => self.refused += 1,
            status => panic!("word {number}: {status}: {}", answer.text()),
        }
        answer
    }

    #[track_caller]
    fn runs(&mut self, owner: &mut Visitor) {
        let mut visitor = self.running.program().keeping_alive();
        for number in 0..WORDS {
            if number == RIGHT {
                // A pause that ends between two words would let the second one pass: luck, one in
                // some hundreds. Here it is made sure that it passes another.
                while self.tries(&mut visitor, number, "not it").header("retry-after") == Some("1")
                {
                }
                self.tries(&mut visitor, number, PASSWORD);
            } else {
                self.tries(&mut visitor, number, &format!("word number {number}"));
            }
            if number % 250 == 249 {
                let pair = [("email", OWNER), ("password", PASSWORD)];
                owner.post("/sessions", &pair).goes_to("/profile");
                assert!(owner.get("/profile").is(200).text().contains(OWNER));
            }
        }
    }
}

fn attack(how: &str, home: &Home, forwarded: Option<fn(usize) -> String>) {
    let running = home.start();
    running.program().post("/users", &[("email", OWNER), ("password", PASSWORD)]).is(200);
    let mut owner = running.browser();
    let pair = [("email", OWNER), ("password", PASSWORD)];
    owner.post("/sessions", &pair).goes_to("/profile");

    let begun = Instant::now();
    let mut attack = Attack { running: &running, forwarded, checked: 0, refused: 0 };
    attack.runs(&mut owner);
    let took = begun.elapsed();
    println!(
        "{how}: {} words in {took:?}: {} passwords looked at, {} refused",
        attack.checked + attack.refused,
        attack.checked,
        attack.refused
    );
    let most = most_checks(took.as_secs() + 1);
    assert!((4..=most).contains(&attack.checked), "{}, at most {most}", attack.checked);
    assert_eq!(counted(home), attack.checked as i64, "and no other");
    owner.delete("/sessions").goes_to("/");
    owner.post("/sessions", &pair).goes_to("/profile");
    running.stop();
}

fn many_addresses(number: usize) -> String {
    format!("198.51.{}.{}", number / 250, number % 250)
}

#[test]
fn b10_a_word_list_does_not_find_the_password_and_the_owner_gets_in() {
    attack("from one address", &home(), None);
}

#[test]
fn b79_nor_with_a_forged_address_for_each_word() {
    attack("from one address that forges a thousand", &home(), Some(many_addresses));
}

#[test]
fn b11_nor_from_a_thousand_addresses_through_a_proxy() {
    let home = home().with("ROCKET_TRUSTED_PROXIES", "[\"127.0.0.1\"]");
    attack("from a thousand addresses", &home, Some(many_addresses));
}
