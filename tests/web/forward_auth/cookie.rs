//! The door's cookie: its attributes, what it is not, what ends it.

use diesel::prelude::*;
use gatehouse::accounts::session::{Beginning, door_token};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::sessions;
use gatehouse::tokens::fingerprint;

use super::{ANN, COOKIE, PAIR, SESSION, at_application, with_applications};
use crate::app::{Answer, PASSWORD, TestApp, Visitor};

/// The door's cookie as the answer sets it.
#[track_caller]
fn set_by(answer: &Answer) -> String {
    let cookies = answer.all("set-cookie");
    let mut ours = cookies.into_iter().filter(|cookie| cookie.starts_with(COOKIE));
    let cookie = ours.next().unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    assert_eq!(ours.next(), None);
    cookie
}

/// Its attributes, sorted, less what they hold of a moment.
fn attributes(cookie: &str) -> Vec<String> {
    let mut found: Vec<String> = cookie
        .split("; ")
        .skip(1)
        .map(|it| if it.starts_with("Expires") { "Expires".to_owned() } else { it.to_owned() })
        .collect();
    found.sort();
    found
}

/// What the app's own key makes of a cookie.
fn sealed(app: &TestApp, name: &'static str, value: &str) -> String {
    let request = app.client.get("/").private_cookie((name, value.to_owned()));
    request.inner().cookies().get(name).expect("just added").value().to_owned()
}

fn opens(app: &TestApp, owner: &Visitor<'_>) -> bool {
    let code = at_application(app, owner).get("/auth").status.code;
    assert!([200, 303].contains(&code), "{code}");
    code == 200
}

#[test]
fn it_is_for_the_parent_domain_over_https_alone() {
    let app = with_applications();
    let basic = ["Domain=example.org", "HttpOnly", "Path=/", "SameSite=Lax", "Secure"];
    let ann = app.browser();
    let by_sign_up = ann.post("/users", &PAIR);
    let by_log_in = app.browser().post("/sessions", &PAIR);
    for answer in [&by_sign_up, &by_log_in] {
        assert_eq!(attributes(&set_by(answer)), basic, "it ends with the browser");
    }
    let remembered = [&PAIR[..], &[("remember", "yes")]].concat();
    let kept = set_by(&app.browser().post("/sessions", &remembered));
    let lasting = [&basic[..1], &["Expires"], &basic[1..2], &["Max-Age=2592000"], &basic[2..]];
    assert_eq!(attributes(&kept), lasting.concat());
    // Both say the same: browsers of any age keep it as long as the session's own.
    let session = app.browser().post("/sessions", &remembered);
    let expires = |cookie: &str| {
        let (_, rest) = cookie.split_once("Expires=").expect("a moment");
        rest.split(';').next().expect("text")[5..16].to_owned()
    };
    let own = session.all("set-cookie").into_iter().find(|cookie| cookie.starts_with(SESSION));
    assert_eq!(expires(&set_by(&session)), expires(&own.expect("a session")));
    let removal = set_by(ann.delete("/sessions").goes_to("/"));
    assert!(removal.starts_with(&format!("{COOKIE}=;")), "{removal}");
    assert!(removal.contains("Max-Age=0"), "{removal}");
    for attribute in basic {
        assert!(removal.contains(attribute), "browsers want it again: {removal}");
    }
}

#[test]
fn the_domain_is_the_nearest_that_all_share() {
    for (base, hosts, domain) in [
        ("login.example.org", "[\"app.example.org\"]", "example.org"),
        ("login.team.example.org", "[\"app.team.example.org\"]", "team.example.org"),
        ("login.team.example.org", "[\"a.team.example.org\", \"example.org\"]", "example.org"),
        ("example.org", "[\"app.example.org\"]", "example.org"),
    ] {
        let settings = format!("base_url = \"https://{base}\"\nallowed_hosts = {hosts}");
        let app = TestApp::with(&settings, &[]);
        let cookie = set_by(&app.browser().post("/users", &PAIR));
        let expected = format!("Domain={domain}");
        assert!(attributes(&cookie).contains(&expected), "{base} {hosts}: {cookie}");
    }
}

#[test]
fn a_program_that_logs_in_has_it_too() {
    let app = with_applications();
    app.program().post("/users", &PAIR).is(200);
    let script = app.program();
    script.post("/sessions", &PAIR).is(200);
    assert!(opens(&app, &script));
}

#[test]
fn b25_it_is_not_the_session_nor_the_session_it() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    let (door, session) = (ann.cookie(COOKIE).expect("set"), ann.cookie(SESSION).expect("set"));
    assert_ne!(door, session);
    for (name, value) in [(SESSION, &door), ("session_id", &door), ("__Host-device", &door)] {
        let thief = app.browser();
        thief.set_cookie(name, value);
        thief.get("/profile").goes_to("/login?next=/profile");
    }
    let thief = app.browser();
    thief.set_cookie(COOKIE, &session);
    assert!(!opens(&app, &thief));

    // Nor does what is sealed in one stand for the other, even to somebody who can seal.
    let beginning = Beginning::default();
    let id = app.wait(app.auth().create_session(ANN, beginning, Timestamp::now())).expect("begun");
    let token = door_token(&id);
    let with = |name: &'static str, value: &str| {
        let visitor = app.browser();
        visitor.set_cookie(name, &sealed(&app, name, value));
        visitor
    };
    assert!(opens(&app, &with(COOKIE, &token)), "the test's own seal is good");
    with(SESSION, &id).get("/profile").is(200);
    let kept: Option<String> = sessions::table
        .find(fingerprint(&id))
        .select(sessions::door_key)
        .first(&mut app.database())
        .expect("a row");
    let kept = kept.expect("a key");
    for other in [&id, &fingerprint(&id), &kept, &fingerprint(&token)] {
        assert!(!opens(&app, &with(COOKIE, other)), "{other}");
    }
    for other in [&token, &kept, &fingerprint(&token)] {
        with(SESSION, other).get("/profile").goes_to("/login?next=/profile");
    }
    let raw = app.raw_database();
    assert!(!raw.windows(token.len()).any(|bytes| bytes == token.as_bytes()), "only its key");
}

#[test]
fn b90_one_that_is_not_ours_opens_nothing() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    let good = ann.cookie(COOKIE).expect("set");
    let other = with_applications();
    let elsewhere = other.signed_up(ANN).cookie(COOKIE).expect("set");
    for value in
        ["", "nonsense", &good[1..], &good[..good.len() - 4], &elsewhere, &"A".repeat(4000)]
    {
        let visitor = app.browser();
        visitor.set_cookie(COOKIE, value);
        assert!(!opens(&app, &visitor), "{value}");
    }
    assert!(opens(&app, &ann));
}

#[test]
fn b29_it_dies_with_its_session() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    let phone = app.browser();
    phone.post("/sessions", &PAIR).goes_to("/profile");
    // What an application has kept of it.
    let [of_laptop, of_phone] = [&ann, &phone].map(|visitor| {
        let copy = app.browser();
        copy.set_cookie(COOKIE, &visitor.cookie(COOKIE).expect("set"));
        copy
    });
    assert!(opens(&app, &of_laptop) && opens(&app, &of_phone));
    ann.delete("/sessions").goes_to("/");
    assert_eq!(ann.cookie(COOKIE), None);
    assert!(!opens(&app, &of_laptop));
    assert!(opens(&app, &of_phone), "another device's stays");

    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    let token = app.mailed_link().rsplit('/').next().expect("a token").to_owned();
    let form = [("reset_token", token.as_str()), ("new_password", "another harbour")];
    app.program().put("/reset_password", &form).is(200);
    assert!(!opens(&app, &of_phone), "a new password ends it everywhere");
}

#[test]
fn b29_it_dies_when_another_device_ends_the_session() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    let phone = app.browser();
    phone.post("/sessions", &PAIR).goes_to("/profile");
    assert!(opens(&app, &phone));
    let list = [("Accept", "application/json")];
    let list = ann.send(rocket::http::Method::Get, "/account/sessions", &list, Vec::new()).json();
    let list = list["sessions"].as_array().expect("a list");
    let other = list.iter().find(|session| session["current"] == false).expect("the phone's");
    let path = format!("/account/sessions/{}", other["id"].as_str().expect("text"));
    ann.delete(&path).goes_to("/account/sessions");
    assert!(!opens(&app, &phone));
    assert!(opens(&app, &ann), "this one's stays");
}

#[test]
fn b29_it_dies_when_the_session_expires_or_its_owner_goes() {
    let app = with_applications();
    let now = Timestamp::now().millis();
    for end in [
        format!("UPDATE sessions SET expires_at = {now}"),
        "DELETE FROM sessions".to_owned(),
        "DELETE FROM users".to_owned(),
    ] {
        let ann = app.browser();
        app.program().post("/users", &PAIR);
        ann.post("/sessions", &PAIR).goes_to("/profile");
        assert!(opens(&app, &ann));
        app.sql(&end);
        assert!(!opens(&app, &ann), "{end}");
        app.sql("DELETE FROM users");
    }
}

#[test]
fn b27_a_new_session_has_a_new_one() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    let before = app.browser();
    before.set_cookie(COOKIE, &ann.cookie(COOKIE).expect("set"));
    ann.post("/sessions", &PAIR).goes_to("/profile");
    assert!(opens(&app, &ann));
    assert!(!opens(&app, &before), "the session before has ended, and this with it");
}

#[test]
fn whoever_is_signed_in_here_gets_it_again_on_the_way_there() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    let there = "https://app.example.org/page?x=1";
    let login = "/login?next=https%3A%2F%2Fapp.example.org%2Fpage%3Fx%3D1";
    let stripped = app.browser();
    stripped.set_cookie(SESSION, &ann.cookie(SESSION).expect("set"));
    assert!(!opens(&app, &stripped));
    let answer = stripped.get(login);
    set_by(answer.goes_to(there));
    assert!(opens(&app, &stripped));
    // A session from before there were applications gets its key now.
    app.sql("UPDATE sessions SET door_key = NULL");
    assert!(!opens(&app, &stripped));
    // Back at once, as of a browser that refuses the cookie: it is not sent round in circles, and
    // may try again.
    stripped.get(login).is(200).says("We cannot take you there").says("app.example.org");
    stripped.get(login).goes_to(there);
    assert!(opens(&app, &stripped));
    // Nobody else is led away, and no cookie is set for a page of ours.
    for next in ["https%3A%2F%2Fevil.example%2F", "%2F%2Fapp.example.org%2F", "%2Fprofile"] {
        let answer = stripped.get(&format!("/login?next={next}"));
        assert_eq!(answer.goes_to("/profile").all("set-cookie"), [""; 0], "{next}");
    }
    let kept = [("email", ANN), ("password", PASSWORD), ("remember", "yes")];
    ann.post("/sessions", &kept).goes_to("/profile");
    let again = set_by(ann.get(login).goes_to(there));
    assert!(again.contains("Max-Age=2592000"), "as long as the session: {again}");
}

#[test]
fn whoever_is_new_lands_on_the_page_they_wanted() {
    let app = with_applications();
    let there = "https://app.example.org/page?x=1";
    let ann = app.browser();
    ann.get("/login?next=https%3A%2F%2Fapp.example.org%2Fpage%3Fx%3D1").is(200);
    let form = ann.get("/signup");
    let policy = form.is(200).header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("form-action 'self' https://app.example.org;"), "{policy}");
    ann.post("/users", &PAIR).goes_to(there);
    // Once: the next time it is the profile again.
    ann.delete("/sessions").goes_to("/");
    ann.post("/sessions", &PAIR).goes_to("/profile");
}
