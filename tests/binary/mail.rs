//! Mails that arrive, wait, are refused: a real SMTP server on the other side.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::db::schema::outbox;

use crate::http::{Answer, Connection};
use crate::program::{Home, PASSWORD, Running, eventually};
use crate::smtp::{Mail, MailServer, link_in};

fn home_with(port: u16) -> Home {
    Home::new().with("ROCKET_SMTP_URL", &format!("smtp://127.0.0.1:{port}"))
}

#[track_caller]
fn sign_up(server: &Running, email: &str) {
    server.program().post("/users", &[("email", email), ("password", PASSWORD)]).is(200);
}

#[track_caller]
fn ask(server: &Running, email: &str) -> Answer {
    let answer = server.program().post("/reset_password", &[("email", email)]);
    answer.is(200);
    answer
}

/// The mails that wait or were given up: id, Message-ID, tries.
fn queued(home: &Home) -> Vec<(i64, String, i32)> {
    outbox::table
        .filter(outbox::state.ne("sent"))
        .select((outbox::id, outbox::message_id, outbox::attempts))
        .order(outbox::id)
        .load(&mut home.database())
        .expect("the outbox")
}

/// Waits until each of `count` mails was tried once.
#[track_caller]
fn wait_for_tries(home: &Home, count: usize) -> Vec<(i64, String, i32)> {
    let tried = || {
        outbox::table
            .filter(outbox::last_error.is_not_null())
            .count()
            .get_result::<i64>(&mut home.database())
            .expect("the outbox")
    };
    eventually("each mail tried", || (tried() == i64::try_from(count).ok()?).then_some(()));
    queued(home)
}

/// No try by itself for an hour: what is sent was sent because somebody asked for it.
fn postpone(home: &Home) {
    let hour = "UPDATE outbox SET next_attempt_at = next_attempt_at + 3600000";
    home.database().batch_execute(hour).expect("postponed");
}

#[track_caller]
fn message_id(mail: &Mail) -> &str {
    let id = mail.header("Message-ID");
    let (id, domain) =
        id.trim_matches(['<', '>']).split_once('@').expect("an id, an @ and a domain");
    assert_eq!(domain, "127.0.0.1");
    id
}

#[test]
fn the_mailed_link_leads_to_a_new_password() {
    let mails = MailServer::start(&[]);
    let home = home_with(mails.port);
    let server = home.start();
    sign_up(&server, "ann@example.com");
    ask(&server, "nobody@example.com");
    ask(&server, "ann@example.com");
    let mail = mails.wait_for(1).remove(0);
    assert_eq!(mail.recipients(), ["ann@example.com"]);
    assert_eq!(mail.header("From"), "Gatehouse <no-reply@localhost>");
    assert_eq!(mail.header("To"), "ann@example.com");
    assert!(mail.header("Subject").contains("Gatehouse"), "{mail:#?}");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert!(mail.header("Date").ends_with("+0000"), "{mail:#?}");
    assert_eq!(message_id(&mail).len(), 36);
    let link = mail.link();
    let token = link.rsplit('/').next().expect("a token");
    assert!(mail.html().contains(token), "{mail:#?}");

    let mut ann = server.browser();
    ann.get(&link).goes_to("/reset_password/new");
    ann.put("/reset_password", &[("new_password", "another harbour")]).goes_to("/login");
    let new = [("email", "ann@example.com"), ("password", "another harbour")];
    ann.post("/sessions", &new).goes_to("/profile");
    let notice = mails.wait_for(2).remove(1);
    assert_eq!(notice.recipients(), ["ann@example.com"]);
    assert!(!notice.text().contains("another harbour"));
    assert_ne!(message_id(&notice), message_id(&mail));
    eventually("nothing waits", || queued(&home).is_empty().then_some(()));
}

#[test]
fn b99_a_mail_server_that_is_down_loses_nothing_and_nobody_notices() {
    let up = MailServer::start(&[]);
    let port = up.port;
    let home = home_with(port);
    let server = home.start();
    sign_up(&server, "ann@example.com");
    let while_up = ask(&server, "ann@example.com");
    let first = up.wait_for(1).remove(0);
    // It says so before it says yes to the client.
    eventually("the yes is heard", || queued(&home).is_empty().then_some(()));
    drop(up);

    let while_down = ask(&server, "ann@example.com");
    assert_eq!(while_down.body, while_up.body);
    let same = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        let varies = ["date", "x-request-id", "set-cookie"];
        headers.retain(|(name, _)| !varies.contains(&name.to_lowercase().as_str()));
        headers
    };
    assert_eq!(same(&while_down), same(&while_up));
    let waiting = wait_for_tries(&home, 1);
    let (id, name, _) = &waiting[0];
    let list = home.run(&["mail", "queue"]);
    list.exits(0)
        .says("password_reset")
        .says("to ann@example.com")
        .says("tries 1")
        .says("next try");
    assert!(list.out.to_lowercase().contains("refused"), "{list:?}");
    postpone(&home);

    let up = MailServer::start_on(port);
    home.run(&["mail", "queue", "retry", &id.to_string()]).exits(0).says("is due now");
    // The worker wakes for the next mail, whoever it is for.
    ask(&server, "nobody@example.com");
    let second = up.wait_for(1).remove(0);
    assert_eq!(message_id(&second), name);
    assert_ne!(message_id(&second), message_id(&first));
    server.browser().get(&first.link()).is(403);
    server.browser().get(&second.link()).goes_to("/reset_password/new");
    eventually("nothing waits", || queued(&home).is_empty().then_some(()));
    home.run(&["mail", "queue", "list"]).exits(0).says("no mail waits");
}

#[test]
fn b100_mails_survive_kill_9() {
    let port = MailServer::port_of_none();
    let home = home_with(port);
    let server = home.start();
    let people = ["ann@example.com", "bob@example.com", "eve@example.com"];
    for email in people {
        sign_up(&server, email);
        ask(&server, email);
    }
    let waiting = wait_for_tries(&home, 3);
    server.kill();

    let up = MailServer::start_on(port);
    for (id, _, _) in &waiting {
        home.run(&["mail", "queue", "retry", &id.to_string()]).exits(0);
    }
    let server = home.start();
    let mails = up.wait_for(3);
    let mut sent: Vec<&str> = mails.iter().map(message_id).collect();
    let mut queued_before: Vec<&str> = waiting.iter().map(|(_, name, _)| name.as_str()).collect();
    sent.sort_unstable();
    queued_before.sort_unstable();
    assert_eq!(sent, queued_before);
    for email in people {
        let mail = mails.iter().find(|mail| mail.recipients() == [email]).expect(email);
        server.browser().get(&mail.link()).goes_to("/reset_password/new");
    }
    eventually("nothing waits", || queued(&home).is_empty().then_some(()));
}

#[test]
fn b99_a_refused_recipient_is_given_up_and_listed_until_it_is_dropped() {
    let mails = MailServer::start(&["--refuse-recipient", "550 5.1.1 no such mailbox"]);
    let home = home_with(mails.port);
    let server = home.start();
    sign_up(&server, "ann@example.com");
    ask(&server, "ann@example.com");
    let id = wait_for_tries(&home, 1)[0].0.to_string();
    let list = home.run(&["mail", "queue"]);
    list.exits(0).says("given up").says("550").says("no such mailbox");
    // Nothing tries it again.
    ask(&server, "nobody@example.com");
    eventually("the worker was there", || (queued(&home).len() == 1).then_some(()));
    assert_eq!(mails.events("refused").len(), 1);
    home.run(&["mail", "queue", "drop", &id]).exits(0).says("is dropped");
    home.run(&["mail", "queue"]).exits(0).says("no mail waits");
    let gone = format!("there is no mail {id}");
    home.run(&["mail", "queue", "drop", &id]).exits(1).says(&gone).complains_in_one_line();
    home.run(&["mail", "queue", "retry", &id]).exits(1).says(&gone).complains_in_one_line();
}

#[test]
fn b99_a_recipient_refused_for_now_is_tried_again() {
    let mails = MailServer::start(&["--refuse-recipient", "451 4.3.0 try again later"]);
    let home = home_with(mails.port);
    let server = home.start();
    sign_up(&server, "ann@example.com");
    ask(&server, "ann@example.com");
    wait_for_tries(&home, 1);
    let list = home.run(&["mail", "queue"]);
    list.exits(0).says("tries 1").says("next try").says("451");
}

#[test]
fn b78_a_slow_mail_server_slows_no_visitor() {
    let home = Home::new();
    let gate = home.file("gate");
    let mails = MailServer::start(&["--hold", gate.to_str().expect("UTF-8")]);
    let home = home.with("ROCKET_SMTP_URL", &mails.url());
    let server = home.start();
    let people: Vec<String> = (0..5).map(|n| format!("p{n}@example.com")).collect();
    for email in &people {
        sign_up(&server, email);
    }
    ask(&server, &people[0]);
    eventually("a mail is being sent", || mails.events("receiving").first().cloned());
    // All of it is answered while the first mail is still on its way.
    for email in &people[1..] {
        ask(&server, email);
    }
    server.logged_in("late@example.com").get("/profile").is(200);
    assert_eq!((mails.events("receiving").len(), mails.mails().len()), (1, 0));
    home.write("gate", "");
    let to: Vec<String> =
        mails.wait_for(people.len()).iter().map(|mail| mail.recipients().join(",")).collect();
    assert_eq!(to, people);
}

#[test]
fn the_mail_in_hand_at_the_end_leaves_and_the_others_wait_or_leave() {
    let home = Home::new();
    let gate = home.file("gate");
    let mails = MailServer::start(&["--hold", gate.to_str().expect("UTF-8")]);
    let home = home.with("ROCKET_SMTP_URL", &mails.url());
    let server = home.start();
    let people = ["ann@example.com", "bob@example.com", "eve@example.com"];
    for email in people {
        sign_up(&server, email);
        ask(&server, email);
    }
    eventually("a mail is being sent", || mails.events("receiving").first().cloned());
    server.signal(rustix::process::Signal::TERM);
    eventually("nobody listens", || Connection::open(server.address).err());
    home.write("gate", "");
    server.wait(Duration::from_secs(30)).exits(0);
    let (sent, waiting) = (mails.mails().len(), queued(&home).len());
    assert!(sent >= 1 && sent + waiting == people.len(), "{sent} sent, {waiting} wait");
    let _server = home.start();
    let mut to: Vec<String> =
        mails.wait_for(people.len()).iter().map(|mail| mail.recipients().join(",")).collect();
    to.sort_unstable();
    assert_eq!(to, people);
}

#[test]
fn without_a_mail_server_mails_are_files_for_their_owner_alone() {
    let home = Home::new().with("ROCKET_MAIL_TRANSPORT", "files");
    let server = home.start();
    assert!(server.err().contains("mails are files in data/outbox"), "{}", server.err());
    sign_up(&server, "ann@example.com");
    ask(&server, "ann@example.com");
    let name =
        eventually("a file", || home.listing().into_iter().find(|name| name.ends_with(".eml")));
    assert_eq!((home.mode("data/outbox"), home.mode(&name)), (0o700, 0o600));
    let text = std::fs::read_to_string(home.file(&name)).expect("readable");
    assert!(text.contains("To: ann@example.com"), "{text}");
    let link = link_in(&text);
    let mut ann = server.browser();
    ann.get(&link).goes_to("/reset_password/new");
    ann.put("/reset_password", &[("new_password", "another harbour")]).goes_to("/login");
    // The link is used: its file goes, and a notice, which opens nothing, takes its place.
    eventually("the end of the file", || {
        let files = home.listing();
        (!files.contains(&name) && files.iter().any(|file| file.contains("password_changed")))
            .then_some(())
    });
}

#[test]
fn mail_test_says_what_became_of_it() {
    let mails = MailServer::start(&[]);
    let home = home_with(mails.port);
    let took = home.run(&["mail", "test", "ann@example.com"]);
    took.exits(0).says(&format!("127.0.0.1:{} took the mail for ann@example.com", mails.port));
    assert_eq!(mails.wait_for(1)[0].recipients(), ["ann@example.com"]);
    home.run(&["mail", "test", "nobody"]).exits(1).complains_in_one_line();
    assert_eq!(mails.mails().len(), 1);

    let refusing = MailServer::start(&["--refuse-recipient", "550 5.1.1 no such mailbox"]);
    let refused = home_with(refusing.port).run(&["mail", "test", "ann@example.com"]);
    refused.exits(1).says("550").says("no such mailbox").complains_in_one_line();

    let closed = home_with(MailServer::port_of_none()).run(&["mail", "test", "ann@example.com"]);
    closed.exits(1).says("refused").complains_in_one_line();

    let files = Home::new().with("ROCKET_MAIL_TRANSPORT", "files");
    files.run(&["mail", "test", "ann@example.com"]).exits(0).says("is a file in data/outbox");
}
