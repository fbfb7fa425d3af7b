//! Everything a person does that writes, as a form and as JSON: what the faults are tried on.

use serde_json::Value;

use crate::http::{Answer, Visitor};
use crate::program::{Home, NEW_PASSWORD, PASSWORD, Running, eventually};
use crate::rows::{dump, integrity, select};

/// Tables that a refusal may write to.
pub const NOT_DEEDS: [&str; 1] = ["events"];

/// Somebody with an account, a session, and an opened link to a new password.
pub struct Person {
    visitor: Visitor,
    pub email: String,
    token: String,
    /// Pages are wanted, not JSON.
    pub has_browser: bool,
}

/// A deed that writes, and what it is called.
pub type Deed = fn(&Person, &mut Visitor) -> Answer;

/// In an order in which each still works after those before it.
pub const DEEDS: [(&str, Deed); 6] = [
    ("sign up", sign_up),
    ("log in", log_in),
    ("ask for a reset", ask),
    ("ask to be let past a limit", unlock),
    ("log out", log_out),
    ("reset", reset),
];

/// One person whose browser sends forms, and one whose program sends JSON.
#[track_caller]
pub fn two_people(home: &Home, server: &Running) -> [Person; 2] {
    let people = [
        Person::new(server, server.browser(), true, "form@example.com"),
        Person::new(server, server.program().in_json(), false, "json@example.com"),
    ];
    // The worker has written down what it sent, and writes no more by itself.
    eventually("no mail waits", || {
        let waiting = "SELECT CAST(count(*) AS TEXT) AS value FROM outbox WHERE state = 'waiting'";
        (select(&mut home.database(), waiting) == ["0"]).then_some(())
    });
    people
}

impl Person {
    #[track_caller]
    fn new(server: &Running, mut visitor: Visitor, has_browser: bool, email: &str) -> Self {
        let pair = [("email", email), ("password", PASSWORD)];
        let good = if has_browser { 303 } else { 200 };
        visitor.post("/users", &pair).is(good);
        visitor.post("/sessions", &pair).is(good);
        // Shows the notices, which are cookies, and so removes them.
        visitor.get("/profile").is(200).says(email);
        visitor.twin().post("/reset_password", &[("email", email)]).is(good);
        let link = eventually("the mail", || mailed_link(server, email));
        if has_browser {
            visitor.get(&link).goes_to("/reset_password/new");
        }
        let token = link.rsplit('/').next().expect("a token").to_owned();
        Self { visitor, email: email.to_owned(), token, has_browser }
    }

    /// The same person on another connection.
    pub fn visitor(&self) -> Visitor {
        self.visitor.twin()
    }

    /// The deed was done.
    #[track_caller]
    pub fn succeeds(&self, name: &str, answer: &Answer) {
        let good = if self.has_browser || name == "log out" { 303 } else { 200 };
        assert_eq!(answer.status, good, "{name} by {}: {}", self.email, answer.text());
    }

    /// The deed was not done, is said to be worth another try, and no cookie says otherwise.
    #[track_caller]
    pub fn is_turned_away(&self, name: &str, answer: &Answer) {
        let what = format!("{name} by {}: {:?} {}", self.email, answer.headers, answer.text());
        assert_eq!(answer.status, 503, "{what}");
        let seconds = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| seconds >= 1), "{what}");
        assert_eq!(answer.header("set-cookie"), None, "{what}");
        assert_eq!(answer.header("clear-site-data"), None, "{what}");
        if self.has_browser {
            answer.says("Nothing was changed.");
        } else {
            assert!(answer.json()["error_id"].is_string(), "{what}");
        }
    }
}

/// What is promised while nothing can be written.
#[track_caller]
pub fn everybody_is_turned_away(home: &Home, server: &Running, people: &[Person]) {
    let before = dump(&mut home.database(), &NOT_DEEDS);
    for person in people {
        for (name, deed) in DEEDS {
            let answer = deed(person, &mut person.visitor());
            person.is_turned_away(name, &answer);
            if name == "log out" && person.has_browser {
                // Signed in still, and told so: the button is there to try again.
                answer.says(&person.email).says("Log out");
            }
        }
        person.visitor().get("/profile").is(200).says(&person.email);
    }
    server.browser().get("/login").is(200);
    server.program().get("/health").is(200);
    assert_eq!(dump(&mut home.database(), &NOT_DEEDS), before);
    assert_eq!(integrity(&mut home.database()), "ok");
}

/// And once it can be written again.
#[track_caller]
pub fn everybody_succeeds(home: &Home, people: &[Person]) {
    for person in people {
        for (name, deed) in DEEDS {
            person.succeeds(name, &deed(person, &mut person.visitor()));
        }
        // Who was logged out is.
        let gone = if person.has_browser { 303 } else { 403 };
        person.visitor().get("/profile").is(gone);
    }
    assert_eq!(integrity(&mut home.database()), "ok");
}

/// The path of the link that a debug build's mailbox shows for that address.
fn mailed_link(server: &Running, email: &str) -> Option<String> {
    let shown = server.program().get("/dev/mailbox").json();
    let mails = shown["mails"].as_array().expect("a list");
    let mail = mails.iter().find(|mail| mail["to"] == email)?;
    let link = mail["links"].get(0).and_then(Value::as_str)?;
    Some(link[link.find("/reset_password/")?..].to_owned())
}

fn sign_up(person: &Person, visitor: &mut Visitor) -> Answer {
    visitor.cookies.clear();
    let email = format!("new.{}", person.email);
    visitor.post("/users", &[("email", &email), ("password", PASSWORD)])
}

fn log_in(person: &Person, visitor: &mut Visitor) -> Answer {
    visitor.cookies.clear();
    visitor.post("/sessions", &[("email", &person.email), ("password", PASSWORD)])
}

fn ask(person: &Person, visitor: &mut Visitor) -> Answer {
    visitor.post("/reset_password", &[("email", &format!("new.{}", person.email))])
}

fn unlock(person: &Person, visitor: &mut Visitor) -> Answer {
    visitor.post("/unlock", &[("email", &person.email)])
}

fn reset(person: &Person, visitor: &mut Visitor) -> Answer {
    let token = ("reset_token", person.token.as_str());
    let password = ("new_password", NEW_PASSWORD);
    if person.has_browser {
        // Its cookie stands for the token.
        visitor.put("/reset_password", &[password])
    } else {
        visitor.put("/reset_password", &[token, password])
    }
}

fn log_out(_: &Person, visitor: &mut Visitor) -> Answer {
    visitor.delete("/sessions")
}
