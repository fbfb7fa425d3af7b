//! Mail servers that refuse, break off, flood or lie: B-99 and B-103.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use diesel::prelude::*;
use gatehouse::db::schema::outbox;
use serde_json::Value;

use crate::program::{Home, PASSWORD, Running, eventually};
use crate::smtp::link_in;

/// Where in the dialogue it goes wrong.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    /// With some of the mail read.
    Content,
    /// With all of the mail read.
    End,
    Nowhere,
}

/// What goes wrong there.
#[derive(Clone)]
enum Fault {
    Says(Vec<u8>),
    Closes,
    /// The same bytes again and again, until they are refused or so many have gone.
    Floods(Vec<u8>, usize),
}

/// A mail server whose connections go wrong one after the other as they are told; after the last of
/// them all goes well.
struct Scripted {
    port: u16,
    /// The content of each mail that was read to its end.
    read: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn start(script: Vec<(At, Fault)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let read = Arc::new(Mutex::new(Vec::new()));
        let heard = read.clone();
        // It ends with the test's process.
        thread::spawn(move || {
            let mut script = script.into_iter();
            for stream in listener.incoming().flatten() {
                let (at, fault) = script.next().unwrap_or((At::Nowhere, Fault::Closes));
                // A client that goes away is what many of these are about.
                let _ = converse(stream, at, &fault, &heard);
            }
        });
        Self { port, read }
    }

    fn home(&self) -> Home {
        Home::new()
            .with("ROCKET_LOG_LEVEL", "debug")
            .with("ROCKET_SMTP_URL", &format!("smtp://127.0.0.1:{}", self.port))
    }

    fn read(&self) -> Vec<String> {
        self.read.lock().expect("no panic in there").clone()
    }
}

fn converse(
    mut stream: TcpStream,
    at: At,
    fault: &Fault,
    read: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    if say(&mut stream, at == At::Greeting, fault, "220 mail.test")? {
        return Ok(());
    }
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let (here, good) = match line.get(..4).unwrap_or_default() {
            "EHLO" => (At::Ehlo, "250 mail.test"),
            "MAIL" => (At::Mail, "250 good"),
            "RCPT" => (At::Rcpt, "250 good"),
            "DATA" => (At::Data, "354 go on"),
            _ => (At::Nowhere, "221 good"),
        };
        line.clear();
        if say(&mut stream, here == at && at != At::Nowhere, fault, good)? {
            return Ok(());
        }
        if here == At::Data && at != At::Data {
            if at == At::Content {
                lines.read_exact(&mut [0; 10])?;
                return stream.shutdown(Shutdown::Both);
            }
            let mut content = String::new();
            while !content.ends_with("\r\n.\r\n") {
                lines.read_line(&mut content)?;
            }
            read.lock().expect("no panic in there").push(content);
            if say(&mut stream, at == At::End, fault, "250 taken")? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The good answer, or the fault; true when that was the end.
fn say(stream: &mut TcpStream, wrong: bool, fault: &Fault, good: &str) -> std::io::Result<bool> {
    match fault {
        Fault::Says(bytes) if wrong => stream.write_all(bytes)?,
        Fault::Closes if wrong => {
            stream.shutdown(Shutdown::Both)?;
            return Ok(true);
        }
        Fault::Floods(bytes, most) if wrong => {
            let mut sent = 0;
            while sent < *most {
                stream.write_all(bytes)?;
                sent += bytes.len();
            }
            stream.shutdown(Shutdown::Both)?;
            return Ok(true);
        }
        _ => stream.write_all(format!("{good}\r\n").as_bytes())?,
    }
    Ok(false)
}

fn says(text: &str) -> Fault {
    Fault::Says(text.as_bytes().to_vec())
}

/// Somebody signs up and asks for a reset: mail number `number`.
#[track_caller]
fn ask(server: &Running, number: usize) {
    let email = format!("p{number}@example.com");
    server.program().post("/users", &[("email", &email), ("password", PASSWORD)]).is(200);
    server.program().post("/reset_password", &[("email", &email)]).is(200);
}

/// A mail in the outbox: its name, its state, its last error.
type Tried = (String, String, Option<String>);

/// What became of mail number `number` once it was tried.
fn tried(home: &Home, number: usize) -> Tried {
    eventually("a try", || {
        let mail = outbox::table
            .filter(outbox::attempts.gt(0))
            .filter(outbox::state.eq("sent").or(outbox::last_error.is_not_null()))
            .filter(outbox::id.eq(i64::try_from(number + 1).ok()?))
            .select((outbox::message_id, outbox::state, outbox::last_error));
        mail.first(&mut home.database()).optional().expect("the outbox")
    })
}

#[test]
fn b99_every_refusal_waits_or_is_given_up_and_the_next_mail_leaves() {
    let cases = [
        (At::Greeting, says("421 4.3.2 not now\r\n"), "waiting", "421"),
        (At::Greeting, says("554 5.7.1 go away\r\n"), "waiting", "554"),
        (At::Greeting, Fault::Closes, "waiting", ""),
        (At::Ehlo, says("502 5.5.1 what\r\n"), "waiting", "502"),
        (At::Ehlo, Fault::Closes, "waiting", ""),
        (At::Mail, says("421 4.3.2 going down\r\n"), "waiting", "421"),
        (At::Mail, says("451 4.7.1 greylisted\r\n"), "waiting", "451"),
        (At::Mail, Fault::Closes, "waiting", ""),
        (At::Rcpt, says("450 4.2.1 mailbox busy\r\n"), "waiting", "450"),
        (At::Rcpt, says("452 4.2.2 mailbox full\r\n"), "waiting", "452"),
        (At::Rcpt, says("550 5.1.1 no such user\r\n"), "failed", "550"),
        (At::Rcpt, says("553 5.1.3 no such name\r\n"), "failed", "553"),
        (At::Data, says("451 4.3.0 later\r\n"), "waiting", "451"),
        (At::Data, says("554 5.7.1 not from you\r\n"), "waiting", "554"),
        (At::Data, Fault::Closes, "waiting", ""),
        (At::Content, Fault::Closes, "waiting", ""),
        (At::End, says("452 4.3.1 disk full\r\n"), "waiting", "452"),
        (At::End, says("550 5.7.1 spam\r\n"), "failed", "550"),
        (At::End, says("\r\n"), "waiting", ""),
        (At::End, says("nonsense\r\n"), "waiting", ""),
        (At::End, says("999 what\r\n"), "waiting", ""),
        (At::End, Fault::Closes, "waiting", ""),
        (At::Nowhere, Fault::Closes, "sent", ""),
    ];
    let script = cases.iter().map(|(at, fault, ..)| (*at, fault.clone())).collect();
    let mails = Scripted::start(script);
    let home = mails.home();
    let server = home.start();
    (0..cases.len()).for_each(|number| ask(&server, number));
    for (number, (_, _, state, code)) in cases.iter().enumerate() {
        let (_, found, error) = tried(&home, number);
        assert_eq!(found, *state, "mail {number}: {error:?}");
        let error = error.unwrap_or_default();
        assert!(error.contains(code) && !error.contains(['\r', '\n']), "mail {number}: {error}");
    }
    // One try each: no server is asked again and again.
    let tries: Vec<i32> =
        outbox::table.select(outbox::attempts).load(&mut home.database()).expect("listed");
    assert_eq!(tries, vec![1; cases.len()]);
}

#[test]
fn b99_a_mail_whose_receipt_was_lost_is_sent_again_under_the_same_name() {
    let mails = Scripted::start(vec![(At::Content, Fault::Closes), (At::End, Fault::Closes)]);
    let home = mails.home();
    let server = home.start();
    server
        .program()
        .post("/users", &[("email", "ann@example.com"), ("password", PASSWORD)])
        .is(200);
    server.program().post("/reset_password", &[("email", "ann@example.com")]).is(200);
    let (name, ..) = tried(&home, 0);
    // What nobody can know is whether the first was taken: it goes again, at last once.
    for count in [1, 2] {
        let due = home.run(&["mail", "queue", "retry", "1"]);
        due.exits(0);
        server.program().post("/reset_password", &[("email", "nobody@example.com")]).is(200);
        eventually("another try", || (mails.read().len() == count).then_some(()));
    }
    eventually("it is sent", || (tried(&home, 0).1 == "sent").then_some(()));
    let read = mails.read();
    assert!(read.iter().all(|mail| mail.contains(&name)), "{name}: {read:#?}");
    assert_eq!(link_in(&read[0]), link_in(&read[1]));
}

#[test]
fn b103_a_flood_of_words_is_cut_off_and_what_is_logged_is_one_harmless_line() {
    let mut long = vec![b'x'; 10 << 20];
    long.splice(..4, *b"220 ");
    long.extend(*b"\r\n");
    // Longer ones: of short ones the client reads as many, but each of them anew for every line.
    let lines = |code: &str| format!("{code}-{}\r\n", "x".repeat(500)).into_bytes();
    let forged = "550 5.1.1 no\u{1b}[2J\u{202e}\u{2028}{\"event\":\"logged_in\"}\u{7}\r\n";
    let cases = [
        (At::Greeting, Fault::Says(long)),
        (At::Greeting, Fault::Floods(lines("220"), 1 << 30)),
        (At::Ehlo, Fault::Floods(lines("250"), 1 << 30)),
        (At::Greeting, Fault::Floods(vec![0xff; 1 << 16], 10 << 20)),
        (At::Rcpt, says(forged)),
        // Answers to questions that were never asked.
        (At::Greeting, says(&"250 yes\r\n354 go on\r\n".repeat(100))),
        (At::Rcpt, says("250-\r\n550 \r\r\n\n\r\n.\r\n")),
        (At::Nowhere, Fault::Closes),
    ];
    let mails = Scripted::start(cases.to_vec());
    let home = mails.home();
    let server = home.start();
    let before = server.memory();
    let mut most = 0;
    for number in 0..cases.len() {
        ask(&server, number);
        let (_, _, error) = tried(&home, number);
        let error = error.unwrap_or_default();
        assert!(error.chars().count() <= 300 && !error.contains(char::is_control), "{error:?}");
        most = most.max(server.memory());
    }
    assert!(most < before + 48 * 1024, "{before} kB grew to {most} kB");
    assert!(!mails.read().is_empty(), "the last one leaves");
    home.run(&["mail", "queue"]).exits(0).says("550");
    let ended = server.stop();
    for line in ended.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
        assert!(line["event"] != "logged_in" && line.to_string().len() < 1000, "{line}");
    }
    assert!(!ended.out.contains(['\u{1b}', '\u{202e}', '\u{2028}', '\u{7}']));
}
