//! Passwords and certificates of mail servers: what is checked before anything is told.

use diesel::prelude::*;
use gatehouse::config::Config;
use gatehouse::db::schema::outbox;
use gatehouse::mail::{Encryption, Route, Transport};

use crate::program::{Home, PASSWORD, eventually};
use crate::smtp::{MailServer, make_certificates};

/// Of digits alone: read as a number it would be another one.
const SMTP_PASSWORD: &str = "0123";

fn home_with(mails: &MailServer, password: &str) -> Home {
    Home::new()
        .with("ROCKET_SMTP_URL", &mails.url())
        .with("ROCKET_SMTP_USERNAME", "gatehouse")
        .with("ROCKET_SMTP_PASSWORD", password)
}

fn asking_for_a_password() -> MailServer {
    MailServer::start(&["--auth", &format!("gatehouse:{SMTP_PASSWORD}")])
}

#[test]
fn a_password_of_digits_is_sent_as_it_is_from_a_variable_and_from_a_file() {
    let mails = asking_for_a_password();
    let mut home = home_with(&mails, SMTP_PASSWORD);
    home.run(&["mail", "test", "ann@example.com"]).exits(0);
    home.unset("ROCKET_SMTP_PASSWORD");
    home.write("password", &format!("{SMTP_PASSWORD}\n"));
    home.set("ROCKET_SMTP_PASSWORD_FILE", "password");
    home.run(&["mail", "test", "bob@example.com"]).exits(0);
    let users: Vec<_> = mails.mails().iter().map(|mail| mail.user().map(str::to_owned)).collect();
    assert_eq!(users, [Some("gatehouse".to_owned()), Some("gatehouse".to_owned())]);
}

#[test]
fn b99_with_a_wrong_password_mails_wait_and_check_says_how_to_mend_it() {
    let mails = asking_for_a_password();
    let mut home = home_with(&mails, "wrong-canary");
    let server = home.start();
    server
        .program()
        .post("/users", &[("email", "ann@example.com"), ("password", PASSWORD)])
        .is(200);
    server.program().post("/reset_password", &[("email", "ann@example.com")]).is(200);
    let state = eventually("a try", || {
        outbox::table
            .filter(outbox::last_error.is_not_null())
            .select((outbox::state, outbox::last_error))
            .first::<(String, Option<String>)>(&mut home.database())
            .optional()
            .expect("the outbox")
    });
    // The mail is fine and the server is not: nothing is given up.
    assert_eq!(state.0, "waiting", "{state:?}");
    let checked = home.run(&["check"]);
    checked.exits(1).says("MEND  mail: 127.0.0.1").says("535").says("smtp_password");
    let list = home.run(&["mail", "queue"]);
    list.exits(0).says("next try").says("535");
    let ended = server.stop();
    for said in [&checked, &list, &ended] {
        assert!(!format!("{said:?}").contains("wrong-canary"), "{said:?}");
    }

    home.set("ROCKET_SMTP_PASSWORD", SMTP_PASSWORD);
    home.run(&["mail", "queue", "retry", "1"]).exits(0);
    let _server = home.start();
    assert_eq!(mails.wait_for(1)[0].user(), Some("gatehouse"));
}

#[test]
fn check_names_a_mail_server_that_is_not_there() {
    let port = MailServer::port_of_none();
    let home = Home::new().with("ROCKET_SMTP_URL", &format!("smtp://127.0.0.1:{port}"));
    let checked = home.run(&["check"]);
    checked.exits(1).says(&format!("MEND  mail: 127.0.0.1:{port}")).says("see smtp_url");
}

#[test]
fn b102_a_certificate_that_nobody_trusts_gets_no_mail() {
    let mut home = Home::new();
    make_certificates(home.path(), "localhost");
    let (cert, key) = (home.file("cert.pem"), home.file("key.pem"));
    let pair = [cert.to_str().expect("UTF-8"), key.to_str().expect("UTF-8")];
    let auth = format!("gatehouse:{SMTP_PASSWORD}");
    let mails = MailServer::start(&["--auth", &auth, "--tls", pair[0], pair[1]]);
    home.set("ROCKET_SMTP_URL", &format!("smtps://localhost:{}", mails.port));
    home.set("ROCKET_SMTP_USERNAME", "gatehouse");
    home.set("ROCKET_SMTP_PASSWORD", SMTP_PASSWORD);

    let refused = home.run(&["check"]);
    refused.exits(1).says("MEND  mail: localhost").says("certificate");
    home.run(&["mail", "test", "ann@example.com"]).exits(1).says("certificate");

    home.set("SSL_CERT_FILE", "ca.pem");
    home.run(&["check"]).says("ok    mail: localhost");
    home.run(&["mail", "test", "ann@example.com"]).exits(0);
    assert_eq!(mails.mails().len(), 1);

    // Trusted, but for another name.
    home.set("ROCKET_SMTP_URL", &format!("smtps://127.0.0.1:{}", mails.port));
    home.run(&["mail", "test", "bob@example.com"]).exits(1).says("certificate");
    assert_eq!((mails.mails().len(), mails.events("auth").len()), (1, 2));
}

/// The settings allow no STARTTLS to a loopback host, so this asks the transport itself.
#[test]
fn b102_without_starttls_neither_mail_nor_password_is_sent() {
    let folder = Home::new();
    make_certificates(folder.path(), "localhost");
    let (cert, key) = (folder.file("cert.pem"), folder.file("key.pem"));
    let auth = format!("gatehouse:{SMTP_PASSWORD}");
    let stripped = MailServer::start(&["--auth", &auth]);
    let untrusted = MailServer::start(&[
        "--auth",
        &auth,
        "--starttls",
        cert.to_str().expect("UTF-8"),
        key.to_str().expect("UTF-8"),
    ]);
    for (mails, why) in [(&stripped, "STARTTLS"), (&untrusted, "certificate")] {
        let url = format!("smtp://localhost:{}", mails.port);
        let settings = [
            ("ROCKET_SMTP_URL", url.as_str()),
            ("ROCKET_SMTP_USERNAME", "gatehouse"),
            ("ROCKET_SMTP_PASSWORD", SMTP_PASSWORD),
        ];
        let mut mail = Config::from_parts("", &settings).expect("good settings").mail;
        let Route::Smtp(smtp) = &mut mail.route else { panic!("{:?}", mail.route) };
        smtp.encryption = Encryption::StartTls;
        let refused = Transport::new(&mail).expect("made").check().expect_err(why).reason;
        assert!(refused.contains(why), "{why}: {refused}");
        assert!(mails.events("auth").is_empty(), "{why}");
    }
}
