//! A thief with a copied session cookie, acted out: what he does, and how the owner undoes it with
//! two clicks from her mail.

use diesel::prelude::*;
use gatehouse::db::schema::{tokens, users};
use serde_json::{Value, json};

use super::browser::Browser;
use super::flow::{EMAIL, PASSWORD, log_in, sign_up};
use super::gatehouse::Gatehouse;
use super::mailbox::Letter;
use super::patience::soon;

const HIS: &str = "mallory@example.net";
const HIS_OTHER: &str = "mallory@example.com";
const NEW_PASSWORD: &str = "window barley Ümlaut 7";
/// The links he gets, by his mailboxes.
const HIS_LETTERS: [Letter<'_>; 3] = [
    Letter { to: HIS, link: "/secure_account/" },
    Letter { to: HIS_OTHER, link: "/reset_password/" },
    Letter { to: "mallory@example.org", link: "/email_change/" },
];

#[test]
fn b31_a_thief_with_a_copied_cookie_is_thrown_out_with_two_clicks_from_the_mail() {
    let gate = Gatehouse::start();
    let [ann, thief] = Browser::start_two();
    sign_up(&gate, &ann);
    let copy = copies_the_cookie(&gate, &ann);
    takes_the_account(&gate, &thief, &copy);
    let links = collects_links(&gate, &thief);
    let his_own = thief.cookie("session_id").expect("a session");

    throws_everybody_out(&gate, &ann);
    is_outside(&gate, &thief, &links);
    is_in_again(&gate, &ann);
    for kept in [&copy, &his_own["value"]] {
        sets_the_cookie(&gate, &thief, kept);
        is_outside(&gate, &thief, &links);
    }
    ann.opens(&gate.at("/profile"));
    ann.is_at("/profile");
}

fn copies_the_cookie(gate: &Gatehouse, ann: &Browser) -> Value {
    ann.opens(&gate.at("/profile"));
    ann.cookie("session_id").expect("a session")["value"].clone()
}

fn sets_the_cookie(gate: &Gatehouse, thief: &Browser, value: &Value) {
    let cookie = json!({ "name": "session_id", "value": value, "url": gate.at("/") });
    assert_eq!(thief.cdp("Network.setCookie", cookie)["success"], true);
}

fn takes_the_account(gate: &Gatehouse, thief: &Browser, copy: &Value) {
    sets_the_cookie(gate, thief, copy);
    thief.opens(&gate.at("/profile"));
    thief.is_at("/profile");
    thief.sees(EMAIL);
    thief.opens(&gate.at("/account/details"));
    thief.types("#display_name", "Mallory");
    thief.presses("Save");
    thief.is_at("/profile");
    moves_to(gate, thief, HIS);
    // Once more, so that he, too, gets a link that gives back an address: his.
    moves_to(gate, thief, HIS_OTHER);
    let fetch = "const done = arguments[0]; \
                 fetch('/account/export.json').then(answer => answer.json()).then(done, done)";
    let file = thief.wait("the file", thief.client().execute_async(fetch, vec![]));
    assert_eq!(file["account"]["email"], HIS_OTHER, "{file}");
}

fn moves_to(gate: &Gatehouse, thief: &Browser, email: &str) {
    thief.opens(&gate.at("/account/email"));
    thief.types("#email", email);
    thief.presses("Mail me a link");
    thief.is_at("/account/email/sent");
    thief.opens_link(gate, &Letter { to: email, link: "/email_change/" });
    thief.presses("Change the address");
    thief.is_at("/profile");
    thief.sees(email);
}

/// What may let him in later.
fn collects_links(gate: &Gatehouse, thief: &Browser) -> Vec<String> {
    thief.opens(&gate.at("/reset_password"));
    thief.types("#email", HIS_OTHER);
    thief.presses("Mail me a link");
    thief.opens(&gate.at("/account/email"));
    thief.types("#email", "mallory@example.org");
    thief.presses("Mail me a link");
    thief.is_at("/account/email/sent");
    let collect = |letter: &Letter<'_>| {
        thief.opens(&gate.at("/dev/mailbox"));
        thief.waits_for(letter)
    };
    HIS_LETTERS.iter().map(collect).collect()
}

fn throws_everybody_out(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/dev/mailbox"));
    ann.sees(&format!("It is now {HIS}"));
    ann.traffic();
    // One click.
    ann.opens_link(gate, &Letter { to: EMAIL, link: "/secure_account/" });
    ann.sees(&format!("The account gets back the address it had: {EMAIL}."));
    // And the other.
    ann.presses("Secure my account");
    ann.is_at("/reset_password/sent");
    ann.sees("Everybody is logged out of your account, and its password no longer works.");
    let sent = ann.forms_sent();
    assert_eq!(sent, [("/secure_account/confirm".to_owned(), String::new())]);

    let conn = &mut gate.database();
    let email: String = users::table.select(users::email).first(conn).expect("Ann");
    assert_eq!(email, EMAIL);
    let left: i64 = tokens::table.count().get_result(conn).expect("tokens");
    assert_eq!((gate.rows().sessions, left), (0, 0));
}

fn is_outside(gate: &Gatehouse, thief: &Browser, links: &[String]) {
    thief.opens(&gate.at("/profile"));
    thief.is_at("/login?next=/profile");
    thief.does_not_see(EMAIL);
    for link in links {
        thief.opens(link);
        thief.title_is("This link no longer works – Gatehouse");
        thief.does_not_see(EMAIL);
    }
    for email in [EMAIL, HIS, HIS_OTHER] {
        thief.opens(&gate.at("/login"));
        thief.types("#email", email);
        thief.types("#password", PASSWORD);
        thief.presses("Log in");
        thief.title_is("Error: Log in – Gatehouse");
    }
}

fn is_in_again(gate: &Gatehouse, ann: &Browser) {
    ann.opens_link(gate, &Letter { to: EMAIL, link: "/reset_password/" });
    ann.is_at("/reset_password/new");
    ann.types("#new_password", NEW_PASSWORD);
    ann.presses("Save new password");
    ann.is_at("/login");
    log_in(ann, NEW_PASSWORD);
    ann.is_at("/profile");
    ann.sees(EMAIL);
    // What he did is told, and he has left nothing that does not meet the eye.
    ann.follows("Security history");
    let told = [
        "The account was secured: all devices were logged out.",
        "All that is stored about you was downloaded.",
        "The e-mail address was changed.",
        "The name or the time zone was changed.",
    ];
    soon("what happened", || {
        ann.opens(&gate.at("/account/history"));
        let mut text = ann.text();
        ann.follows("Older events");
        text += &ann.text();
        told.iter().all(|sentence| text.contains(sentence)).then_some(())
    });
    let sessions = "const done = arguments[0]; fetch('/account/sessions', {headers: {accept: \
                    'application/json'}}).then(answer => answer.json()).then(done, done)";
    let list: Value = ann.wait("sessions", ann.client().execute_async(sessions, vec![]));
    assert_eq!(list["sessions"].as_array().map(Vec::len), Some(1), "{list}");
}
